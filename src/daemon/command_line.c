/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_line.c - options, subcommands and the quick run.
 */
#include "daemon/command_line.h"

#include <ctype.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/log.h"
#include "core/text.h"

/* Options without a short form. */
enum long_option {
    OPTION_EXPLAIN = 256,
    OPTION_FORMAT,
    OPTION_PRINT_DEFAULT,
    OPTION_TO,
    OPTION_LOG_LEVEL,
    OPTION_COLOR,
    OPTION_TLS,
    OPTION_SEND_PROXY,
};

/* "-": words that are no options come in order, as code 1; ":" tells a missing argument apart. */
static const char short_options[] = "-:c:tT::s:l:hVvq";

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"test", no_argument, NULL, 't'},
    {"dump-config", optional_argument, NULL, 'T'},
    {"set", required_argument, NULL, 's'},
    {"listen", required_argument, NULL, 'l'},
    {"to", required_argument, NULL, OPTION_TO},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"print-default", no_argument, NULL, OPTION_PRINT_DEFAULT},
    {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"color", required_argument, NULL, OPTION_COLOR},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"tls", required_argument, NULL, OPTION_TLS},
    {"send-proxy", required_argument, NULL, OPTION_SEND_PROXY},
    {NULL, 0, NULL, 0},
};

static const char *const subcommands[] = {"ctl", "explain", "help"};

static const char help_text[] =
    "Usage: culvert [OPTIONS]                    run with a configuration file\n"
    "       culvert [OPTIONS] LISTEN SERVER...   quick run, without a file\n"
    "\n"
    "  culvert 8080 10.0.0.5:80                  relay port 8080 to a server\n"
    "  culvert 127.0.0.1:5432 db1:5432 db2:5432  share sessions between two\n"
    "  culvert -t -c culvert.ini                 check a configuration\n"
    "  culvert ctl status                        ask the running culvert\n"
    "  culvert explain idle_timeout              what a key means\n"
    "  culvert explain route --from 192.0.2.7    where a client would go\n"
    "\n"
    "  -c, --config FILE      INI file or folder, repeatable; - reads standard input\n"
    "                         else $CULVERT_CONFIG, /etc/culvert/culvert.ini\n"
    "  -s, --set SECTION[.NAME].KEY=VALUE        override one value, repeatable\n"
    "  -l, --listen ADDR --to SERVER             the quick run in long form\n"
    "      --tls PATH         in a quick run: terminate TLS with this PEM or folder\n"
    "      --send-proxy v1|v2 in a quick run: tell the server who the client is\n"
    "  -t, --test             check, print the budget; --explain adds reasons\n"
    "  -T, --dump-config[=all|changed|json]      print what is in force and why\n"
    "      --print-default    print the built-in configuration\n"
    "  -v, --verbose, -q, --quiet, --log-level error|warn|info|debug|trace\n"
    "      --color auto|always|never\n"
    "  -h, --help, -V, --version                 -V -v: what it is built with\n"
    "\n"
    "Signals: TERM, INT drain (again: now); QUIT stop now; USR1 re-open log files.\n";

/* What is collected while parsing; arrays of argc + 1 strings each. */
struct parsing {
    struct command_line *line;
    const char **binds;
    const char **servers;
    const char **words;
    const char *tls;        /* a path, or NULL */
    const char *send_proxy; /* a version, or NULL */
    size_t bind_count;
    size_t server_count;
    size_t word_count;
    enum log_level level;
    bool level_is_set;
    struct error *error;
};

static bool usage_error(struct error *error, const char *option)
{
    char suggestion[80] = "";
    const char *name = option + strspn(option, "-");
    size_t best = SIZE_MAX;

    for (const struct option *known = long_options; known->name != NULL; known++) {
        size_t distance;

        if (strncmp(option, "--", 2) == 0 && text_is_near(name, known->name, &distance) &&
            distance < best) {
            best = distance;
            snprintf(suggestion, sizeof(suggestion), "; did you mean --%s?", known->name);
        }
    }
    return error_set(error, EX_USAGE, "unknown option %s%s", option, suggestion);
}

static bool set_color(struct command_line *line, const char *word, struct error *error)
{
    if (strcmp(word, "auto") == 0)
        line->color = -1;
    else if (strcmp(word, "never") == 0)
        line->color = 0;
    else if (strcmp(word, "always") == 0)
        line->color = 1;
    else
        return error_set(error, EX_USAGE, "--color wants auto, always or never, not '%s'", word);
    return true;
}

static bool set_level(struct parsing *parsing, const char *word)
{
    for (int level = LOG_ERROR; level <= LOG_TRACE; level++) {
        if (strcmp(word, log_level_word((enum log_level)level)) == 0) {
            parsing->level = (enum log_level)level;
            parsing->level_is_set = true;
            return true;
        }
    }
    return error_set(parsing->error, EX_USAGE,
                     "--log-level wants error, warn, info, debug or trace, not '%s'", word);
}

static bool set_dump(struct command_line *line, const char *word, struct error *error)
{
    line->command = COMMAND_DUMP;
    if (word != NULL && word[0] == '=') /* -T=all, as the long form is written */
        word++;
    if (word == NULL)
        line->dump = CONFIG_DUMP_SET;
    else if (strcmp(word, "all") == 0)
        line->dump = CONFIG_DUMP_ALL;
    else if (strcmp(word, "changed") == 0)
        line->dump = CONFIG_DUMP_CHANGED;
    else if (strcmp(word, "json") == 0)
        line->dump = CONFIG_DUMP_JSON;
    else
        return error_set(error, EX_USAGE, "-T wants all, changed or json, not '%s'", word);
    return true;
}

static bool apply_option(struct parsing *parsing, int option, char *argument)
{
    struct command_line *line = parsing->line;

    switch (option) {
    case 'c':
        line->files[line->sources.file_count++] = argument;
        return true;
    case 's':
        line->overrides[line->sources.override_count++] = argument;
        return true;
    case 'l':
        parsing->binds[parsing->bind_count++] = argument;
        return true;
    case OPTION_TO:
        parsing->servers[parsing->server_count++] = argument;
        return true;
    case 't':
        line->command = COMMAND_TEST;
        return true;
    case 'T':
        return set_dump(line, argument, parsing->error);
    case OPTION_EXPLAIN:
        line->explain = true;
        return true;
    case OPTION_FORMAT:
        if (strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0)
            return error_set(parsing->error, EX_USAGE, "--format wants text or json, not '%s'",
                             argument);
        line->json = strcmp(argument, "json") == 0;
        return true;
    case OPTION_PRINT_DEFAULT:
        line->command = COMMAND_PRINT_DEFAULT;
        return true;
    case OPTION_LOG_LEVEL:
        return set_level(parsing, argument);
    case 'v':
        line->verbose = true;
        parsing->level = parsing->level < LOG_DEBUG ? LOG_DEBUG : LOG_TRACE;
        parsing->level_is_set = true;
        return true;
    case 'q':
        parsing->level = LOG_WARN;
        parsing->level_is_set = true;
        return true;
    case OPTION_COLOR:
        return set_color(line, argument, parsing->error);
    case 'h':
        line->command = COMMAND_HELP;
        return true;
    case 'V':
        line->command = COMMAND_VERSION;
        return true;
    case OPTION_TLS:
        parsing->tls = argument;
        return true;
    case OPTION_SEND_PROXY:
        parsing->send_proxy = argument;
        return true;
    }
    return error_set(parsing->error, EX_SOFTWARE, "option %d has no meaning", option);
}

static bool is_subcommand(const char *word)
{
    for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++) {
        if (strcmp(word, subcommands[i]) == 0)
            return true;
    }
    return false;
}

/* `explain route` with the options that follow; words[0] is "route". */
static bool parse_explain_route(struct command_line *line, int count, char **words,
                                struct error *error)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, 's'},
        {"listen", required_argument, NULL, 'l'},
        {"from", required_argument, NULL, 'f'},
        {"sni", required_argument, NULL, 'n'},
        {"alpn", required_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    int option;

    line->command = COMMAND_EXPLAIN_ROUTE;
    optind = 0;
    while ((option = getopt_long(count, words, "-:c:s:", options, NULL)) != -1) {
        if (option == 'c')
            line->files[line->sources.file_count++] = optarg;
        else if (option == 's')
            line->overrides[line->sources.override_count++] = optarg;
        else if (option == 'l')
            line->client.listener = optarg;
        else if (option == 'f')
            line->client.from = optarg;
        else if (option == 'n')
            line->client.sni = optarg;
        else if (option == 'a')
            line->client.alpn = optarg;
        else if (option == ':')
            return error_set(error, EX_USAGE, "option %s needs a value", words[optind - 1]);
        else
            return error_set(error, EX_USAGE,
                             "explain route has no '%s'; it takes --listen, --from, --sni, --alpn, "
                             "-c and -s",
                             words[optind - 1]);
    }
    return true;
}

/* `explain` and `help` with the words that follow. */
static bool parse_explain(struct command_line *line, bool is_help, int count, char **words,
                          struct error *error)
{
    const char *first = count > 0 ? words[0] : NULL;

    if (first == NULL) {
        line->command = is_help ? COMMAND_HELP : COMMAND_EXPLAIN;
        return true;
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        line->command = COMMAND_HELP;
        return true;
    }
    if (strncmp(first, "--format", 8) == 0) {
        const char *format = first[8] == '=' ? first + 9 : count > 1 ? words[1] : "";

        if (strcmp(format, "markdown") != 0)
            return error_set(error, EX_USAGE, "explain --format wants markdown, not '%s'", format);
        line->command = COMMAND_REFERENCE;
        return true;
    }
    if (first[0] == '-')
        return error_set(error, EX_USAGE, "explain has no option %s", first);
    if (strcmp(first, "route") == 0 && count > 1)
        return parse_explain_route(line, count, words, error);
    if (strcmp(first, "close") == 0) {
        line->command = COMMAND_EXPLAIN_CLOSE;
        line->word = count > 1 ? words[1] : NULL;
        return count <= 2 || error_set(error, EX_USAGE, "explain close wants one reason");
    }
    line->command = COMMAND_EXPLAIN;
    line->word = first;
    return count == 1 || error_set(error, EX_USAGE, "explain wants one word, such as listen.bind");
}

static bool parse_subcommand(struct command_line *line, int count, char **words,
                             struct error *error)
{
    if (strcmp(words[0], "ctl") == 0) {
        line->command = COMMAND_CTL;
        line->ctl_argc = count;
        line->ctl_argv = words;
        return true;
    }
    return parse_explain(line, strcmp(words[0], "help") == 0, count - 1, words + 1, error);
}

/* Runs getopt(3). Stops at a subcommand, whose options are its own: `*is_done` is true then. */
static bool parse_options(struct parsing *parsing, int argc, char **argv, bool *is_done)
{
    int option;

    *is_done = false;
    opterr = 0;
    optind = 0; /* glibc: forget an earlier run */
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        if (option == 1 && parsing->word_count == 0 && is_subcommand(optarg)) {
            *is_done = true;
            return parse_subcommand(parsing->line, argc - optind + 1, argv + optind - 1,
                                    parsing->error);
        }
        if (option == 1) {
            parsing->words[parsing->word_count++] = optarg;
        } else if (option == ':') {
            return error_set(parsing->error, EX_USAGE, "option %s needs a value", argv[optind - 1]);
        } else if (option == '?') {
            char name[3] = {'-', (char)optopt, '\0'};
            bool is_long = strncmp(argv[optind - 1], "--", 2) == 0;

            return usage_error(parsing->error, optopt != 0 && !is_long ? name : argv[optind - 1]);
        } else if (!apply_option(parsing, option, optarg)) {
            return false;
        }
    }
    while (optind < argc) /* behind "--" */
        parsing->words[parsing->word_count++] = argv[optind++];
    return true;
}

static bool is_port(const char *word)
{
    size_t digits = strspn(word, "0123456789");

    return digits > 0 && digits <= 5 && word[digits] == '\0';
}

/* Words the quick run as `key = value`; what INI would read otherwise than as itself is refused. */
static bool write_value(FILE *ini, const char *key, const char *prefix, const char *value,
                        struct error *error)
{
    for (const char *next = value; *next != '\0'; next++) {
        if (iscntrl((unsigned char)*next) || strchr("\"#;", *next) != NULL)
            return error_set(error, EX_USAGE,
                             "'%s' has a character that is not for the command line; "
                             "write a configuration file instead",
                             value);
    }
    fprintf(ini, "%s = %s", key, prefix);
    for (const char *next = value; *next != '\0'; next++)
        fprintf(ini, *next == '$' ? "$$" : "%c", *next);
    fputc('\n', ini);
    return true;
}

/* A bare port stands for an address. */
static bool write_addr(FILE *ini, const char *key, const char *port_prefix, const char *value,
                       struct error *error)
{
    return write_value(ini, key, is_port(value) ? port_prefix : "", value, error);
}

/* There are no sections to name, so any word is a path. */
static bool write_tls(FILE *ini, const char *path, struct error *error)
{
    bool is_path = strchr(path, '/') != NULL;

    return write_value(ini, "tls", is_path ? "" : "./", path, error);
}

static bool write_quick_ini(struct parsing *parsing)
{
    char *text = NULL;
    size_t size = 0;
    FILE *ini = open_memstream(&text, &size);
    bool is_written = true;

    if (ini == NULL)
        return error_set(parsing->error, EX_OSERR, "out of memory");
    fputs("[listen main]\n", ini);
    for (size_t i = 0; i < parsing->bind_count && is_written; i++)
        is_written = write_addr(ini, "bind", ":", parsing->binds[i], parsing->error);
    for (size_t i = 0; i < parsing->server_count && is_written; i++)
        is_written = write_addr(ini, "server", "127.0.0.1:", parsing->servers[i], parsing->error);
    if (is_written && parsing->tls != NULL)
        is_written = write_tls(ini, parsing->tls, parsing->error);
    if (is_written && parsing->send_proxy != NULL) {
        fputs("[defaults]\n", ini);
        is_written = write_value(ini, "send_proxy", "", parsing->send_proxy, parsing->error);
    }
    if (fclose(ini) != 0)
        is_written = error_set(parsing->error, EX_OSERR, "out of memory");
    parsing->line->quick_ini = text;
    parsing->line->sources.quick_ini = text;
    return is_written;
}

/* A word that is no address, where the address to listen on is expected. */
static bool explain_word(struct error *error, const char *word)
{
    size_t length = strlen(word);
    size_t distance;

    if (length > 4 && strcmp(word + length - 4, ".ini") == 0)
        return error_set(error, EX_USAGE, "'%s' is no address; did you mean -c %s?", word, word);
    for (size_t i = 0; i < ARRAY_LENGTH(subcommands); i++) {
        if (text_is_near(word, subcommands[i], &distance))
            return error_set(error, EX_USAGE, "unknown command '%s'; did you mean '%s'?", word,
                             subcommands[i]);
    }
    return error_set(error, EX_USAGE,
                     "'%s' is neither a command (ctl, explain, help) nor an address such as 8080 "
                     "or 127.0.0.1:8080; see culvert --help",
                     word);
}

static bool is_no_quick_run(const struct parsing *parsing)
{
    if (parsing->tls != NULL)
        return error_set(parsing->error, EX_USAGE,
                         "--tls belongs to a quick run; for a file use -s listen.NAME.tls=PATH");
    if (parsing->send_proxy != NULL)
        return error_set(parsing->error, EX_USAGE,
                         "--send-proxy belongs to a quick run; for a file use "
                         "-s defaults.send_proxy=VERSION");
    return true;
}

static bool parse_quick_run(struct parsing *parsing)
{
    size_t first_server = 0;

    if (parsing->bind_count + parsing->server_count + parsing->word_count == 0)
        return is_no_quick_run(parsing);
    if (parsing->bind_count == 0 && parsing->word_count > 0) {
        const char *word = parsing->words[0];

        if (!is_port(word) && strchr(word, ':') == NULL)
            return explain_word(parsing->error, word);
        parsing->binds[parsing->bind_count++] = word;
        first_server = 1;
    }
    for (size_t i = first_server; i < parsing->word_count; i++)
        parsing->servers[parsing->server_count++] = parsing->words[i];
    if (parsing->line->sources.file_count > 0)
        return error_set(parsing->error, EX_USAGE,
                         "-c and a quick run exclude each other; override with -s instead");
    if (parsing->bind_count == 0)
        return error_set(parsing->error, EX_USAGE, "where to listen? add -l ADDR");
    if (parsing->server_count == 0)
        return error_set(parsing->error, EX_USAGE,
                         "where to relay to? for example: culvert %s 10.0.0.5:80",
                         parsing->binds[0]);
    return write_quick_ini(parsing);
}

static bool add_override(struct command_line *line, unsigned slot, const char *key,
                         const char *value)
{
    char *text = NULL;

    if (asprintf(&text, "%s=%s", key, value) == -1)
        return false;
    line->made_overrides[slot] = text;
    line->overrides[line->sources.override_count++] = text;
    return true;
}

static bool parse_into(struct parsing *parsing, int argc, char **argv)
{
    struct command_line *line = parsing->line;
    bool is_done;

    if (!parse_options(parsing, argc, argv, &is_done))
        return false;
    if (is_done)
        return true;
    if (line->command != COMMAND_HELP && line->command != COMMAND_VERSION &&
        !parse_quick_run(parsing))
        return false;
    if ((line->explain || line->json) && line->command != COMMAND_TEST)
        return error_set(parsing->error, EX_USAGE, "%s goes with -t",
                         line->explain ? "--explain" : "--format");
    if (parsing->level_is_set &&
        !add_override(line, 0, "log.level", log_level_word(parsing->level)))
        return error_set(parsing->error, EX_OSERR, "out of memory");
    if (line->color >= 0 &&
        !add_override(line, 1, "log.color", line->color == 1 ? "always" : "never"))
        return error_set(parsing->error, EX_OSERR, "out of memory");
    return true;
}

bool command_line_parse(struct command_line *line, int argc, char **argv, struct error *error)
{
    size_t places = (size_t)argc + ARRAY_LENGTH(line->made_overrides) + 1;
    struct parsing parsing = {.line = line, .level = LOG_INFO, .error = error};
    const char *name = argc > 0 && strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    bool is_parsed = false;

    *line = (struct command_line){.command = COMMAND_RUN, .color = -1};
    if (name != NULL && strcmp(name, "culvertctl") == 0) {
        line->command = COMMAND_CTL;
        line->ctl_argc = argc;
        line->ctl_argv = argv;
        return true;
    }

    line->files = calloc(places, sizeof(*line->files));
    line->overrides = calloc(places, sizeof(*line->overrides));
    parsing.binds = calloc(places, sizeof(*parsing.binds));
    parsing.servers = calloc(places, sizeof(*parsing.servers));
    parsing.words = calloc(places, sizeof(*parsing.words));
    if (line->files == NULL || line->overrides == NULL || parsing.binds == NULL ||
        parsing.servers == NULL || parsing.words == NULL)
        error_set(error, EX_OSERR, "out of memory");
    else
        is_parsed = parse_into(&parsing, argc, argv);
    line->sources.files = line->files;
    line->sources.overrides = line->overrides;
    free(parsing.binds);
    free(parsing.servers);
    free(parsing.words);
    return is_parsed;
}

void command_line_release(struct command_line *line)
{
    free(line->files);
    free(line->overrides);
    free(line->quick_ini);
    for (size_t i = 0; i < ARRAY_LENGTH(line->made_overrides); i++)
        free(line->made_overrides[i]);
    *line = (struct command_line){.command = COMMAND_RUN, .color = -1};
}

void command_line_print_help(FILE *out)
{
    fputs(help_text, out);
}

static bool variable_is_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

bool command_line_wants_color(int color, int fd)
{
    const char *terminal = getenv("TERM");
    const char *forced = getenv("CLICOLOR_FORCE");

    if (color >= 0)
        return color == 1;
    if (variable_is_set("NO_COLOR"))
        return false;
    if (forced != NULL && forced[0] != '\0' && strcmp(forced, "0") != 0)
        return true;
    return isatty(fd) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}
