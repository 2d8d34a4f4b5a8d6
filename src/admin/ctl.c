/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.c - commands, the questions they ask, and how their answers are shown.
 */
#include "admin/ctl.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/error.h"
#include "core/text.h"
#include "net/addr.h"
#include "admin/ctl_show.h"
#include "admin/ctl_write.h"
#include "admin/exchange.h"
#include "admin/http_client.h"

#define DEFAULT_SOCKET_PATH "/run/culvert/culvert.sock"
#define DEFAULT_ADDRESS "127.0.0.1:9797"

/* The answer is no: not ready, not found. */
#define EXIT_NO 1

struct ctl_options {
    const char *socket_path; /* NULL: the usual places */
    bool as_json;
    bool is_quiet;
    bool for_people;
    char query[640]; /* "?listener=…", or "" */
};

struct command {
    const char *name;
    const char *method;
    const char *path; /* the argument follows when it ends in '/'; NULL: see admin/ctl_write.h */
    /* Shows the answer of a request that succeeded; NULL: the body as it is. */
    void (*show)(const json_t *json, bool for_people);
    const char *help;
};

/* ---- commands ----------------------------------------------------------------------------- */

static const struct command commands[] = {
    {"status", "GET", "/api/v1/overview", ctl_show_status, "the process at a glance"},
    {"sessions", "GET", "/api/v1/sessions", ctl_show_sessions,
     "live sessions; --listener --pool --server --sni --phase --limit choose"},
    {"session", "GET", "/api/v1/sessions/", ctl_show_object, "one session: culvert ctl session ID"},
    {"kill", "DELETE", "/api/v1/sessions/", ctl_show_object, "end a session: culvert ctl kill ID"},
    {"listeners", "GET", "/api/v1/listeners", ctl_show_listeners,
     "listeners, with their real addresses"},
    {"pools", "GET", "/api/v1/pools", ctl_show_pools, "pools and their servers"},
    {"health", "GET", "/api/v1/health", ctl_show_health,
     "checks of servers: what the last ones found"},
    {"dns", "GET", "/api/v1/dns", ctl_show_dns, "names of servers, and what the DNS says of them"},
    {"tls", "GET", "/api/v1/tls", ctl_show_tls,
     "certificates: when they expire, when they were loaded"},
    {"server", "POST", NULL, ctl_show_object,
     "set a server: culvert ctl server POOL/NAME up|drain|maint|weight N"},
    {"pool", "POST", NULL, ctl_show_object,
     "hold new sessions: culvert ctl pool NAME pause|resume"},
    {"reload", "POST", "/api/v1/reload", ctl_show_object,
     "read certificates, sni_maps and lists of addresses anew"},
    {"ready", "GET", "/readyz", ctl_show_ready, "exit code 0 when new sessions are served, else 1"},
    {"live", "GET", "/healthz", ctl_show_live, "exit code 0 when all event loops turn, else 1"},
    {"metrics", "GET", "/metrics", NULL, "metrics as Prometheus reads them"},
    {"version", "GET", "/api/v1/version", ctl_show_object, "versions of the running process"},
};

static void print_usage(FILE *out)
{
    fprintf(out, "Usage: culvert ctl COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(out,
            "\n"
            "  --socket PATH  the control socket ($CULVERT_SOCKET, else " DEFAULT_SOCKET_PATH ",\n"
            "                 else TCP at $CULVERT_ADMIN, else " DEFAULT_ADDRESS ", to read)\n"
            "  --json         the answer as it came\n"
            "  --quiet        no output, only the exit code\n");
}

static const struct command *find_command(const char *name)
{
    struct nearest nearest = {.word = name};

    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        nearest_consider(&nearest, commands[i].name);
    }
    fprintf(stderr, "culvert ctl: there is no command '%s'", name);
    if (nearest.best != NULL)
        fprintf(stderr, "; did you mean '%s'?\n", nearest.best);
    else
        fprintf(stderr, "; culvert ctl --help lists them\n");
    return NULL;
}

/* ---- where to ask ------------------------------------------------------------------------- */

/* "127.0.0.1:9797", "[::1]:9797", ":9797" or "9797"; the first of a list. */
static bool parse_address(const char *text, struct addr *addr)
{
    size_t length = strcspn(text, ", \t");
    const char *colon = memrchr(text, ':', length);
    const char *digits = colon != NULL ? colon + 1 : text;
    unsigned long port = 0;

    for (const char *digit = digits; digit < text + length; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        port = port * 10 + (unsigned long)(*digit - '0');
        if (port > 65535)
            return false;
    }
    if (port == 0)
        return false;
    memset(addr, 0, sizeof(*addr));
    if (colon == NULL || colon == text) {
        addr->family = AF_INET;
        addr->v4.s_addr = htonl(INADDR_LOOPBACK);
    } else if (!addr_parse_ip(text, (size_t)(colon - text), addr)) {
        return false;
    }
    addr->port = (uint16_t)port;
    return true;
}

/* Asks the socket, and when nobody listens there and none was named, the TCP address. */
static enum http_outcome ask(const struct command *command, const char *path, const char *body,
                             const struct ctl_options *options, struct http_answer *answer,
                             struct error *error)
{
    const char *socket_path = options->socket_path;
    const char *address = getenv("CULVERT_ADMIN");
    bool is_named = true;
    struct addr addr = {.family = AF_UNIX};
    struct error tcp_error;
    enum http_outcome outcome;

    if (socket_path == NULL)
        socket_path = getenv("CULVERT_SOCKET");
    if (socket_path == NULL || socket_path[0] == '\0') {
        socket_path = DEFAULT_SOCKET_PATH;
        is_named = false;
    }
    if (strlen(socket_path) > ADDR_PATH_MAX) {
        error_set(error, 0, "the path of the socket is longer than %d bytes", ADDR_PATH_MAX);
        return HTTP_NOBODY;
    }
    addr.path = socket_path;
    outcome = http_call(&addr, command->method, path, body, answer, error);
    if (outcome != HTTP_NOBODY || is_named || strcmp(command->method, "GET") != 0)
        return outcome;
    if (address == NULL || address[0] == '\0')
        address = DEFAULT_ADDRESS;
    if (!parse_address(address, &addr))
        return outcome;
    http_answer_release(answer);
    outcome = http_call(&addr, command->method, path, NULL, answer, &tcp_error);
    if (outcome != HTTP_ANSWERED)
        error_set(error, 0, "%.200s; %.200s", error->text, tcp_error.text);
    return outcome;
}

/* ---- one run ------------------------------------------------------------------------------ */

static int exit_code_of(const struct http_answer *answer)
{
    if (answer->status == 200)
        return EX_OK;
    return answer->status == 403 ? EX_NOPERM : EXIT_NO;
}

/* What went wrong, in the API's words. */
static void show_refusal(const json_t *json, const struct http_answer *answer)
{
    const char *message = json_string_value(json_object_get(json, "error"));
    const char *near = json_string_value(json_object_get(json, "did_you_mean"));
    const char *why = json_string_value(json_object_get(json, "why"));

    if (why != NULL)
        fprintf(stderr, "no: %s\n", why);
    else if (message != NULL && near != NULL)
        fprintf(stderr, "culvert ctl: %s; did you mean '%s'?\n", message, near);
    else if (message != NULL)
        fprintf(stderr, "culvert ctl: %s\n", message);
    else
        fprintf(stderr, "culvert ctl: the answer was status %d\n", answer->status);
}

static int show_answer(const struct command *command, const struct ctl_options *options,
                       const struct http_answer *answer)
{
    int code = exit_code_of(answer);
    json_t *json;

    if (options->is_quiet)
        return code;
    if (code == EX_OK && (command->show == NULL || options->as_json)) {
        fwrite(answer->body, 1, answer->body_length, stdout);
        return code;
    }
    json = json_loadb(answer->body, answer->body_length, 0, NULL);
    if (code != EX_OK) {
        if (options->as_json)
            fwrite(answer->body, 1, answer->body_length, stdout);
        else
            show_refusal(json, answer);
    } else if (json == NULL) {
        fprintf(stderr, "culvert ctl: the answer is not JSON; is this culvert?\n");
        code = EX_UNAVAILABLE;
    } else {
        command->show(json, options->for_people);
    }
    json_decref(json);
    return code;
}

static int run(const struct command *command, const char *path, const char *body,
               const struct ctl_options *options)
{
    struct http_answer answer;
    struct error error;
    int code = EX_UNAVAILABLE;

    switch (ask(command, path, body, options, &answer, &error)) {
    case HTTP_ANSWERED:
        code = show_answer(command, options, &answer);
        break;
    case HTTP_NOT_ALLOWED:
        code = EX_NOPERM;
        if (!options->is_quiet)
            fprintf(stderr, "culvert ctl: %s\n", error.text);
        break;
    case HTTP_NOBODY:
    case HTTP_BROKEN:
        if (!options->is_quiet)
            fprintf(stderr, "culvert ctl: %s\n", error.text);
        break;
    }
    http_answer_release(&answer);
    if (fflush(stdout) != 0)
        code = EX_IOERR;
    return code;
}

/* Adds "key=value" to the query; false for a value no name can have. Names of servers may be
   addresses, so bytes that mean something in a query are escaped. */
static bool add_to_query(struct ctl_options *options, const char *key, const char *value)
{
    struct text query = {.bytes = options->query,
                         .length = strlen(options->query),
                         .capacity = sizeof(options->query)};

    text_append_format(&query, "%c%s=", query.length == 0 ? '?' : '&', key);
    ctl_append_escaped(&query, value, strlen(value));
    return value[0] != '\0' && !query.is_cut;
}

enum { OPTION_SOCKET = 256, OPTION_JSON, OPTION_QUIET, OPTION_HELP, OPTION_FILTER };

static const struct option long_options[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"json", no_argument, NULL, OPTION_JSON},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"help", no_argument, NULL, OPTION_HELP},
    {"listener", required_argument, NULL, OPTION_FILTER},
    {"pool", required_argument, NULL, OPTION_FILTER},
    {"server", required_argument, NULL, OPTION_FILTER},
    {"sni", required_argument, NULL, OPTION_FILTER},
    {"phase", required_argument, NULL, OPTION_FILTER},
    {"limit", required_argument, NULL, OPTION_FILTER},
    {NULL, 0, NULL, 0},
};

/* An option that is not there, or lacks its value. */
static int refuse_option(const char *word, bool is_known)
{
    struct nearest nearest = {.word = word + strspn(word, "-")};

    for (const struct option *option = long_options; option->name != NULL; option++)
        nearest_consider(&nearest, option->name);
    if (is_known)
        fprintf(stderr, "culvert ctl: option %s needs a value\n", word);
    else if (nearest.best != NULL && strncmp(word, "--", 2) == 0)
        fprintf(stderr, "culvert ctl: unknown option %s; did you mean --%s?\n", word, nearest.best);
    else
        fprintf(stderr, "culvert ctl: unknown option %s; culvert ctl --help lists them\n", word);
    return EX_USAGE;
}

/* Returns the exit code to end with, or -1 to go on. */
static int parse_options(int argc, char **argv, struct ctl_options *options)
{
    int option;
    int index;

    opterr = 0;
    optind = 0; /* a scan of its own, whatever was scanned before (getopt(3)) */
    while ((option = getopt_long(argc, argv, ":hq", long_options, &index)) != -1) {
        switch (option) {
        case OPTION_SOCKET:
            options->socket_path = optarg;
            break;
        case OPTION_JSON:
            options->as_json = true;
            break;
        case 'q':
        case OPTION_QUIET:
            options->is_quiet = true;
            break;
        case 'h':
        case OPTION_HELP:
            print_usage(stdout);
            return EX_OK;
        case OPTION_FILTER:
            if (!add_to_query(options, long_options[index].name, optarg)) {
                fprintf(stderr, "culvert ctl: '%s' cannot be a %s\n", optarg,
                        long_options[index].name);
                return EX_USAGE;
            }
            break;
        default:
            return refuse_option(argv[optind - 1], option == ':');
        }
    }
    return -1;
}

/* Whether every byte may stand in a path; the API knows whether it is an id. */
static bool is_plain_id(const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++) {
        if (!ctl_is_plain_byte(text[i]))
            return false;
    }
    return length > 0 && length <= 64;
}

/* A command whose words are a request of their own. */
static int run_write(const struct command *command, int count, char *const *words,
                     const struct ctl_options *options)
{
    struct ctl_write write;
    struct error error;

    if (!ctl_write_request(&write, command->name, count, words, &error)) {
        fprintf(stderr, "culvert ctl: %s\n", error.text);
        return EX_USAGE;
    }
    return run(command, write.path, write.body[0] != '\0' ? write.body : NULL, options);
}

/* A command that reads, or acts on one session. */
static int run_plain(const struct command *command, int count, char *const *words,
                     const struct ctl_options *options)
{
    bool takes_id = command->path[strlen(command->path) - 1] == '/';
    char path[sizeof(options->query) + 128];

    if (count != (takes_id ? 1 : 0)) {
        fprintf(stderr, "culvert ctl: '%s' takes %s\n", command->name,
                takes_id ? "the id of one session" : "no argument");
        return EX_USAGE;
    }
    if (takes_id && !is_plain_id(words[0])) {
        fprintf(stderr, "culvert ctl: '%s' is not a session's id\n", words[0]);
        return EX_USAGE;
    }
    snprintf(path, sizeof(path), "%s%s%s", command->path, takes_id ? words[0] : "", options->query);
    return run(command, path, NULL, options);
}

int ctl_run(int argc, char **argv)
{
    struct ctl_options options = {.for_people = isatty(STDOUT_FILENO) == 1};
    const struct command *command;
    int code = parse_options(argc, argv, &options);

    if (code != -1)
        return code;
    if (optind >= argc) {
        print_usage(stderr);
        return EX_USAGE;
    }
    command = find_command(argv[optind]);
    if (command == NULL)
        return EX_USAGE;
    if (options.query[0] != '\0' && strcmp(command->name, "sessions") != 0) {
        fprintf(stderr, "culvert ctl: '%s' takes no filter\n", command->name);
        return EX_USAGE;
    }
    if (command->path == NULL)
        return run_write(command, argc - optind - 1, argv + optind + 1, &options);
    return run_plain(command, argc - optind - 1, argv + optind + 1, &options);
}
