/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.c - checking, dumping and explaining, from the tables in the binary.
 */
#include "daemon/inspect.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/text.h"
#include "net/pipe.h"
#include "discovery/resolver.h"
#include "relay/close_reason.h"
#include "daemon/explain_route.h"
#include "daemon/limits.h"

/* 1 = the answer is no, as for `culvert ctl`. */
#define EXIT_NOT_FOUND 1

/* What to look at first, for people; docs/reference/close-reasons.md says more. */
static const char *const close_advice[CLOSE_REASON_COUNT] = {
    [CLOSE_DONE] = "nothing: this is how sessions should end",
    [CLOSE_CLIENT_LEFT] = "connect_s of other sessions: clients leave when connecting is slow; a "
                          "port scanner or a load balancer's check leaves, too",
    [CLOSE_CLIENT_RESET] = "download_bytes and undelivered_bytes: a client that resets in the "
                           "middle of an answer had enough of it, or was killed",
    [CLOSE_CLIENT_DEAD] = "whether the clients affected share a network: a machine that sleeps, a "
                          "NAT that forgot the connection",
    [CLOSE_SERVER_RESET] = "the server's own log at that time: a crash, a limit, or a timeout when "
                           "duration_s is always the same",
    [CLOSE_SERVER_DEAD] = "the server's machine and the network to it; other sessions to it follow",
    [CLOSE_CLIENT_TIMEOUT] = "phase: preread is a client that sends no whole hello, handshake one "
                             "that stops in the middle of TLS; scanners and health probes do both",
    [CLOSE_CLIENT_TLS] = "tls_error: a certificate the client does not trust, versions that do not "
                         "meet, plain HTTP on a TLS port, or a client certificate that is refused",
    [CLOSE_BAD_PROXY_HEADER] =
        "proxy_error and client: a client that does not come by the proxy in "
        "front, a proxy that does not send the header, or one that is not "
        "in trusted_proxies",
    [CLOSE_SERVER_TLS] = "tls_error: ca_file and server_name of the pool's tls section against the "
                         "certificate of the server; openssl s_client shows it",
    [CLOSE_TLS_TRUNCATED] = "first names the side whose stream was cut: a program that closes "
                            "without close_notify, or somebody in between; truncation = lenient "
                            "takes it for an end",
    [CLOSE_IDLE_TIMEOUT] = "waited_for, and keepalives of the protocol itself: those of TCP carry "
                           "no bytes; or raise idle_timeout",
    [CLOSE_HALF_CLOSE_TIMEOUT] = "waited_for names the side that owes its end; on it: ss -tan "
                                 "state close-wait",
    [CLOSE_STALL_TIMEOUT] = "the program on the side in waited_for: it reads nothing; on it: ss "
                            "-tn, column Recv-Q",
    [CLOSE_MAX_LIFETIME] = "nothing, when max_lifetime is what you want",
    [CLOSE_SERVER_DOWN] = "the server_state record before, and on_down and on_remove of the pool",
    [CLOSE_QUEUE_TIMEOUT] = "culvert_queue_length and whether the pool is paused; max_connections "
                            "and queue_timeout of the pool",
    [CLOSE_QUEUE_FULL] = "culvert_queue_length and whether the pool is paused; queue_size of the "
                         "pool",
    [CLOSE_NO_SERVER] = "server states and the connect failures before: all servers are disabled "
                        "or ejected",
    [CLOSE_CONNECT_REFUSED] = "server_addr and retries: the service is down, restarting, or on "
                              "another port",
    [CLOSE_CONNECT_TIMEOUT] = "the server's machine, a firewall that drops packets, or a full "
                              "listen queue: nstat -az TcpExtListenOverflows on the server",
    [CLOSE_CONNECT_FAILED] = "errno: routing, a firewall that rejects, permissions of a unix "
                             "socket",
    [CLOSE_PORTS_EXHAUSTED] = "net.ipv4.ip_local_port_range and tcp_tw_reuse, or give the pool "
                              "more addresses: source, or more servers",
    [CLOSE_SOURCE_FAILED] = "event=source_failed before, and the machine's addresses (ip addr)",
    [CLOSE_LOOP] = "event=loop before, and the rules that redirect clients (nft list ruleset): "
                   "they must pass over culvert's own connections",
    [CLOSE_DNS_FAILED] = "culvert ctl dns: what became of the look-ups; the name, and the DNS "
                         "servers in [dns] servers or /etc/resolv.conf",
    [CLOSE_NO_RESOURCES] = "errno, open_files, and the memory limit of the machine or container",
    [CLOSE_LIMIT] = "max_connections of [limits], the listener and the pool",
    [CLOSE_NO_ROUTE] =
        "source of the routes, and the client's address; or give the listener a pool",
    [CLOSE_DENIED] = "the rule that refuses the client's address",
    [CLOSE_KILLED] = "who used culvert ctl",
    [CLOSE_DRAINED] = "drain_timeout, and the grace period of whatever stops culvert, which must "
                      "be longer",
    [CLOSE_INTERNAL] = "the log before it; please report it",
};

static const char *cause_word(enum close_cause cause)
{
    switch (cause) {
    case CAUSE_NOBODY:
        return "nobody";
    case CAUSE_CLIENT:
        return "the client";
    case CAUSE_SERVER:
        return "the server";
    case CAUSE_CULVERT:
        return "culvert";
    }
    return "";
}

static int explain_close(const char *word)
{
    enum close_reason reason;
    const char *nearest = NULL;
    size_t best = SIZE_MAX;

    if (word == NULL) {
        for (int i = 0; i < CLOSE_REASON_COUNT; i++)
            printf("%-19s %s\n", close_reason_word((enum close_reason)i),
                   close_reason_sentence((enum close_reason)i));
        return EX_OK;
    }
    reason = close_reason_from_word(word);
    if (reason < CLOSE_REASON_COUNT) {
        printf("%s: %s\n  caused by  %s\n  look at    %s\n", word, close_reason_sentence(reason),
               cause_word(close_reason_cause(reason)), close_advice[reason]);
        return EX_OK;
    }
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        const char *candidate = close_reason_word((enum close_reason)i);
        size_t distance;

        if (strncmp(candidate, word, strlen(word)) == 0)
            distance = 1; /* only begun */
        else if (!text_is_near(word, candidate, &distance))
            continue;
        if (distance < best) {
            best = distance;
            nearest = candidate;
        }
    }
    fprintf(stderr, "culvert: '%s' is no close reason%s%s%s\n", word,
            nearest != NULL ? "; did you mean '" : "; 'culvert explain close' lists them",
            nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
    return EXIT_NOT_FOUND;
}

static void print_version(bool verbose)
{
    unsigned xxhash = XXH_versionNumber();
    char why[128];

    printf("culvert %s\n", CULVERT_VERSION);
    if (!verbose)
        return;
#if defined(__clang__)
    printf("compiler  clang %s\n", __clang_version__);
#else
    printf("compiler  gcc %s\n", __VERSION__);
#endif
    printf("libevent  %s (built with %s)\n", event_get_version(), LIBEVENT_VERSION);
    printf("jansson   %s (built with %s)\n", jansson_version_str(), JANSSON_VERSION);
    printf("xxhash    %u.%u.%u (built with %d.%d.%d)\n", xxhash / 10000, xxhash / 100 % 100,
           xxhash % 100, XXH_VERSION_MAJOR, XXH_VERSION_MINOR, XXH_VERSION_RELEASE);
    printf("c-ares    %s\n", resolver_library_version());
    if (pipe_self_test(why, sizeof(why)))
        printf("splice    yes\n");
    else
        printf("splice    no: %s\n", why);
}

int inspect_pipes_wanted(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        if (snapshot->listeners[i].splice)
            return pipe_budget_for(snapshot->process.max_pipes, snapshot->process.pipe_size);
    }
    return 0;
}

static int print_budget(struct config *config)
{
    struct snapshot *snapshot = config_snapshot(config);
    struct budget budget;

    if (snapshot == NULL) {
        fprintf(stderr, "culvert: out of memory\n");
        return EX_OSERR;
    }
    config_budget(snapshot, limits_reachable_open_files(&snapshot->process),
                  inspect_pipes_wanted(snapshot), &budget);
    printf("%s: the configuration is good\n", snapshot->source);
    if (budget.fits)
        printf("%s\n", budget.line);
    else /* the one who starts it may have another limit */
        printf("warning: %s; %s\n", budget.line, budget.advice);
    snapshot_unref(snapshot);
    return EX_OK;
}

static int check(const struct command_line *line, struct config *config)
{
    bool color = command_line_wants_color(line->color, STDERR_FILENO);

    config_print_diagnostics(config, line->json ? stdout : stderr, color && !line->json,
                             line->explain, line->json);
    if (!config_is_valid(config))
        return EX_CONFIG;
    return line->json ? EX_OK : print_budget(config);
}

static int dump(const struct command_line *line, struct config *config)
{
    if (!config_is_valid(config)) {
        config_print_diagnostics(
            config, stderr, command_line_wants_color(line->color, STDERR_FILENO), false, false);
        return EX_CONFIG;
    }
    config_dump(config, stdout, line->dump);
    return EX_OK;
}

static int route(const struct command_line *line, struct config *config)
{
    struct snapshot *snapshot;
    bool is_answered;

    if (!config_is_valid(config)) {
        config_print_diagnostics(
            config, stderr, command_line_wants_color(line->color, STDERR_FILENO), false, false);
        return EX_CONFIG;
    }
    snapshot = config_snapshot(config);
    if (snapshot == NULL) {
        fprintf(stderr, "culvert: out of memory\n");
        return EX_OSERR;
    }
    is_answered = explain_route(&line->client, snapshot, stdout, stderr);
    snapshot_unref(snapshot);
    return is_answered ? EX_OK : EXIT_NOT_FOUND;
}

static int with_config(const struct command_line *line,
                       int (*use)(const struct command_line *line, struct config *config))
{
    struct config *config = config_load(&line->sources, line->command == COMMAND_TEST);
    int exit_code;

    if (config == NULL) {
        fprintf(stderr, "culvert: out of memory\n");
        return EX_OSERR;
    }
    exit_code = use(line, config);
    config_destroy(config);
    return exit_code;
}

int inspect_run(const struct command_line *line)
{
    switch (line->command) {
    case COMMAND_TEST:
        return with_config(line, check);
    case COMMAND_DUMP:
        return with_config(line, dump);
    case COMMAND_PRINT_DEFAULT:
        fputs(config_embedded, stdout);
        return EX_OK;
    case COMMAND_HELP:
        command_line_print_help(stdout);
        return EX_OK;
    case COMMAND_VERSION:
        print_version(line->verbose);
        return EX_OK;
    case COMMAND_EXPLAIN:
        return config_explain(line->word, stdout, stderr) ? EX_OK : EXIT_NOT_FOUND;
    case COMMAND_EXPLAIN_CLOSE:
        return explain_close(line->word);
    case COMMAND_EXPLAIN_ROUTE:
        return with_config(line, route);
    case COMMAND_REFERENCE:
        config_print_reference(stdout);
        return EX_OK;
    case COMMAND_RUN:
    case COMMAND_CTL:
        break;
    }
    return EX_SOFTWARE;
}
