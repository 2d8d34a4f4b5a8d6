/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.c - starting in an order that leaves nothing half done, and stopping gently.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "net/pipe.h"
#include "config/config.h"
#include "admin/ctl.h"
#include "admin/http_api.h"
#include "daemon/address_watch.h"
#include "daemon/announce.h"
#include "daemon/cert_watch.h"
#include "daemon/checks.h"
#include "daemon/command_line.h"
#include "daemon/dns_watch.h"
#include "daemon/drain.h"
#include "daemon/inspect.h"
#include "daemon/limits.h"
#include "daemon/logger.h"
#include "daemon/name_watch.h"
#include "daemon/notify.h"
#include "daemon/pid_file.h"
#include "daemon/privileges.h"
#include "daemon/server_end.h"
#include "daemon/signals.h"
#include "daemon/transparency.h"
#include "daemon/worker_group.h"

/* How long the end of the process waits for a log whose reader is stuck. */
#define LOG_GRACE_MS 500

/* The same when a worker hangs, too, and the process must be gone. */
#define STUCK_LOG_GRACE_MS 200

struct daemon {
    const struct command_line *line;
    struct event_base *base;
    struct signal_events signals;
    struct event *drain_timer;
    struct snapshot *snapshot;
    struct budget budget;
    struct identity identity;
    struct pid_file pid_file;
    struct logger *logger;
    struct worker_group *group;
    struct cert_watch *certificates;
    struct name_watch *names;
    struct checker *checker;
    struct address_watch *addresses;
    struct dns_watch *dns;
    struct server_ends *ends;
    struct http_api *api;
    struct admin_view view;
    struct drain drain;
    char splice[128];  /* "yes", or why not */
    bool has_terminal; /* stderr was one at the start */
    int64_t started_us;
    int64_t drain_started_us;
    uint64_t cut_count; /* sessions that the drain did not wait for */
};

/* Start, in order */

/* Descriptors 0 to 2 must never become something else's: a log line could end in a session. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest free number is this one. */
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) == -1)
            return;
    }
}

/* Posts each warning of the configuration as a record; people on a terminal see them in full. */
static void log_config_warnings(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    char *rest;

    if (memory == NULL)
        return;
    config_print_diagnostics(config, memory, false, false, false);
    if (fclose(memory) == 0) {
        for (char *line = strtok_r(text, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            if (strstr(line, ": warning: ") != NULL)
                log_message(LOG_WARN, "config_warning", "%s", line);
        }
    }
    free(text);
}

static bool probe_splice(struct daemon *daemon, int *pipes)
{
    char why[96];

    *pipes = inspect_pipes_wanted(daemon->snapshot);
    if (*pipes == 0) {
        strcpy(daemon->splice, "off");
        return true;
    }
    if (pipe_self_test(why, sizeof(why))) {
        strcpy(daemon->splice, "yes");
        return true;
    }
    *pipes = 0;
    snprintf(daemon->splice, sizeof(daemon->splice), "no: %s", why);
    return false;
}

/* Everything that can be refused before a socket is opened. */
static bool prepare_process(struct daemon *daemon, const struct config *config, struct error *error)
{
    const struct process_config *process = &daemon->snapshot->process;
    int open_files = limits_raise_open_files(process, error);
    bool can_splice;
    int pipes;

    if (open_files == -1)
        return false;
    can_splice = probe_splice(daemon, &pipes);
    config_budget(daemon->snapshot, open_files, pipes, &daemon->budget);
    if (!daemon->budget.fits)
        return error_set(error, EX_CONFIG, "%s; %s", daemon->budget.line, daemon->budget.advice);
    limits_presize_descriptors(open_files);
    if (!privileges_look_up(&daemon->identity, process->user, process->group, error))
        return false;
    daemon->identity.keeps_net_admin = transparency_is_wanted(daemon->snapshot);
    if (!pid_file_create(&daemon->pid_file, process->pid_file, error))
        return false;

    daemon->logger = logger_create(process, (unsigned)process->workers + 1, error);
    if (daemon->logger == NULL)
        return false;
    log_set_level(process->log_level);
    log_attach(logger_ring(daemon->logger, 0), logger_wake_fd(daemon->logger));
    if (!can_splice)
        log_message(LOG_WARN, "splice_unavailable", "relaying by copying: %s", daemon->splice);
    if (!daemon->has_terminal)
        log_config_warnings(config);
    return true;
}

static uint64_t read_dropped(void *argument)
{
    return logger_dropped(argument);
}

/* What can be read anew without a restart. */
static void read_anew(void *argument, struct reload_outcome *outcome)
{
    struct daemon *daemon = argument;

    cert_watch_reload(daemon->certificates, &outcome->tls);
    name_watch_reload(daemon->names, &outcome->names);
    address_watch_reload(daemon->addresses, &outcome->addresses);
}

static void fill_view(struct daemon *daemon)
{
    struct admin_view *view = &daemon->view;

    view->snapshot = daemon->snapshot;
    view->shared = worker_group_shared(daemon->group);
    view->bound = worker_group_bound(daemon->group, &view->bound_count);
    view->version = CULVERT_VERSION;
    view->started_wall_us = clock_wall_us();
    view->started_ms = clock_now_ms();
    view->splice = daemon->splice;
    view->limit_bound_by = daemon->budget.bound_by;
    view->open_files = daemon->budget.open_files;
    view->checker = daemon->checker;
    view->tls_loads = cert_watch_loads(daemon->certificates);
    view->discovery = dns_watch_discovery(daemon->dns);
    view->reload = read_anew;
    view->reload_argument = daemon;
    view->log_dropped = read_dropped;
    view->log_argument = daemon->logger;
}

/* The control socket goes to whom culvert becomes: `culvert ctl` works for that user. */
static bool give_control_socket(const struct daemon *daemon, struct error *error)
{
    const char *path = http_api_socket_path(daemon->api);
    bool has_group = daemon->snapshot->process.admin_socket_group != (gid_t)-1;

    return path == NULL || path[0] != '/' ||
           privileges_give_file(&daemon->identity, path, !has_group, error);
}

static bool open_dns(struct daemon *daemon, struct error *error)
{
    struct dns_watch_options options = {.snapshot = daemon->snapshot,
                                        .shared = worker_group_shared(daemon->group),
                                        .checker = daemon->checker,
                                        .ends = daemon->ends};

    options.bound = worker_group_bound(daemon->group, &options.bound_count);
    daemon->dns = dns_watch_open(daemon->base, &options, error);
    return daemon->dns != NULL;
}

/* Sockets first, with the rights of the start; then threads, with those that stay. */
static bool open_process(struct daemon *daemon, struct error *error)
{
    daemon->group = worker_group_open(daemon->snapshot, &daemon->budget, daemon->logger, error);
    if (daemon->group == NULL)
        return false;
    daemon->certificates =
        cert_watch_open(daemon->base, daemon->snapshot, worker_group_shared(daemon->group), error);
    daemon->addresses = address_watch_open(daemon->base, daemon->snapshot, error);
    if (daemon->certificates == NULL || daemon->addresses == NULL)
        return false;
    daemon->names =
        name_watch_open(daemon->base, daemon->snapshot, worker_group_shared(daemon->group), error);
    if (daemon->names == NULL)
        return false;
    daemon->ends = server_ends_open(daemon->base, worker_group_shared(daemon->group),
                                    daemon->snapshot->process.drain_timeout_ms);
    if (daemon->ends == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    daemon->checker = checks_open(daemon->base, daemon->snapshot, daemon->ends, error);
    if (daemon->checker == NULL)
        return false;
    if (!open_dns(daemon, error))
        return false;
    fill_view(daemon);
    daemon->api = http_api_open(daemon->base, &daemon->view, error);
    if (daemon->api == NULL)
        return false;
    if (!give_control_socket(daemon, error) || !privileges_drop(&daemon->identity, error) ||
        !transparency_check(daemon->snapshot, error) || !logger_start(daemon->logger, error))
        return false;
    dns_watch_settle(daemon->dns);
    return worker_group_start(daemon->group, error);
}

static bool announce(struct daemon *daemon, struct error *error)
{
    struct announcement news = {
        .snapshot = daemon->snapshot,
        .bound = daemon->view.bound,
        .bound_count = daemon->view.bound_count,
        .budget = &daemon->budget,
        .control_path = http_api_socket_path(daemon->api),
        .splice = daemon->splice,
        .start_us = clock_now_us() - daemon->started_us,
    };

    if (!pid_file_publish(&daemon->pid_file, error))
        return false;
    daemon->view.is_ready = true;
    if (daemon->has_terminal)
        announce_banner(&news, stderr, announce_has_utf8());
    else
        announce_record(&news);
    notify_send("READY=1");
    return true;
}

/* Stop */

static void end_loop(struct daemon *daemon)
{
    event_base_loopbreak(daemon->base);
}

static void stop_now(struct daemon *daemon, const char *signal_name)
{
    struct log_event event;

    daemon->view.is_ready = false;
    daemon->view.is_draining = true;
    daemon->cut_count = 0; /* it was asked for */
    log_event_begin(&event, LOG_INFO, "stop_now");
    log_event_string(&event, "signal", signal_name);
    log_event_integer(&event, "sessions", worker_group_sessions(daemon->group));
    log_event_post(&event);
    end_loop(daemon);
}

static void end_drain(struct daemon *daemon)
{
    struct log_event event;

    log_event_begin(&event, daemon->cut_count > 0 ? LOG_WARN : LOG_INFO, "drain_ended");
    log_event_integer(&event, "cut_sessions", (int64_t)daemon->cut_count);
    log_event_seconds(&event, "drain_s", clock_now_us() - daemon->drain_started_us);
    log_event_post(&event);
    end_loop(daemon);
}

static void on_drain_tick(evutil_socket_t fd, short events, void *argument)
{
    struct daemon *daemon = argument;
    int sessions = worker_group_unfinished(daemon->group);
    bool was_cutting = daemon->drain.state == DRAIN_CUTTING;

    (void)fd;
    (void)events;
    switch (drain_next(&daemon->drain, clock_now_ms(), sessions)) {
    case DRAIN_WAIT:
        break;
    case DRAIN_STOP_ACCEPTING:
        worker_group_drain(daemon->group);
        log_message(LOG_DEBUG, "accepting_stopped", "waiting for %d sessions", sessions);
        break;
    case DRAIN_CUT:
        if (!was_cutting)
            log_message(LOG_WARN, "drain_cutting",
                        "drain_timeout has passed; cutting %d sessions, idle ones first", sessions);
        worker_group_cut(daemon->group, DRAIN_CUT_PER_TICK);
        break;
    case DRAIN_END:
        daemon->cut_count = worker_group_closed(daemon->group, CLOSE_DRAINED);
        end_drain(daemon);
        break;
    }
}

static bool begin_drain(struct daemon *daemon, const char *signal_name)
{
    const struct process_config *process = &daemon->snapshot->process;
    const struct timeval tick = {.tv_usec = DRAIN_TICK_MS * 1000};
    struct log_event event;

    daemon->view.is_ready = false;
    daemon->view.is_draining = true;
    daemon->drain_started_us = clock_now_us();
    log_event_begin(&event, LOG_INFO, "drain_started");
    log_event_string(&event, "message", "waiting for sessions to end; a second signal stops now");
    log_event_string(&event, "signal", signal_name);
    log_event_integer(&event, "sessions", worker_group_sessions(daemon->group));
    log_event_seconds(&event, "drain_delay_s", process->drain_delay_ms * 1000);
    log_event_seconds(&event, "drain_timeout_s", process->drain_timeout_ms * 1000);
    log_event_post(&event);
    notify_send("STOPPING=1");
    drain_begin(&daemon->drain, clock_now_ms(), process->drain_delay_ms, process->drain_timeout_ms);
    on_drain_tick(-1, 0, daemon);
    return event_add(daemon->drain_timer, &tick) == 0;
}

/* The first time; at once the second. */
static void stop_gently(struct daemon *daemon, const char *signal_name)
{
    if (daemon->drain.state != DRAIN_NONE || !begin_drain(daemon, signal_name))
        stop_now(daemon, signal_name);
}

/* Whoever closes the terminal of a culvert started by hand wants it to end, not to reload. */
static bool terminal_is_gone(const struct daemon *daemon)
{
    struct pollfd terminal = {.fd = STDERR_FILENO, .events = POLLOUT};

    return daemon->has_terminal && poll(&terminal, 1, 0) == 1 &&
           (terminal.revents & (POLLHUP | POLLERR)) != 0;
}

/* HUP: what can be read anew without a restart. */
static void reload(struct daemon *daemon)
{
    struct reload_outcome outcome;
    const struct tls_look *tls = &outcome.tls;
    const struct name_looks *names = &outcome.names;
    const struct address_looks *addresses = &outcome.addresses;
    unsigned failed;

    read_anew(daemon, &outcome);
    failed = tls->failed + names->failed + addresses->failed;
    if (tls->profiles + names->maps + addresses->lists == 0)
        log_message(LOG_WARN, "reload_unavailable",
                    "HUP: reload is not available in this version; nothing has changed");
    else
        log_message(failed > 0 ? LOG_WARN : LOG_INFO, "reloaded",
                    "HUP: %u of %u TLS profiles, %u of %u sni_maps and %u of %u address lists were "
                    "loaded anew, %u failed and stay as they were; the configuration is not read "
                    "anew in this version",
                    tls->changed, tls->profiles, names->changed, names->maps, addresses->changed,
                    addresses->lists, failed);
}

static void on_signal(evutil_socket_t number, short events, void *argument)
{
    struct daemon *daemon = argument;

    (void)events;
    switch (number) {
    case SIGTERM:
        stop_gently(daemon, "TERM");
        break;
    case SIGINT:
        stop_gently(daemon, "INT");
        break;
    case SIGQUIT:
        stop_now(daemon, "QUIT");
        break;
    case SIGUSR1:
        logger_reopen(daemon->logger);
        log_message(LOG_INFO, "log_reopened", "log files were opened anew");
        break;
    case SIGHUP:
        if (terminal_is_gone(daemon)) {
            stop_gently(daemon, "HUP");
            break;
        }
        reload(daemon);
        break;
    case SIGUSR2:
        log_message(LOG_WARN, "upgrade_unavailable",
                    "USR2: binary upgrade is not available in this version; nothing has changed");
        break;
    }
}

/* The control thread's loop */

/* libevent gives up: it has just said why. The logger may not come to it any more. */
static void on_libevent_fatal(int code)
{
    (void)code;
    _exit(EX_SOFTWARE);
}

static void on_libevent_log(int severity, const char *message)
{
    static const enum log_level levels[] = {
        [EVENT_LOG_DEBUG] = LOG_TRACE,
        [EVENT_LOG_MSG] = LOG_INFO,
        [EVENT_LOG_WARN] = LOG_WARN,
        [EVENT_LOG_ERR] = LOG_ERROR,
    };

    if (severity < 0 || (size_t)severity >= ARRAY_LENGTH(levels))
        severity = EVENT_LOG_ERR;
    if (severity == EVENT_LOG_ERR)
        dprintf(STDERR_FILENO, "culvert: libevent: %s\n", message);
    log_message(levels[severity], "libevent", "%s", message);
}

static bool make_loop(struct daemon *daemon, struct error *error)
{
    event_set_log_callback(on_libevent_log);
    event_set_fatal_callback(on_libevent_fatal);
    daemon->base = event_base_new();
    if (daemon->base == NULL)
        return error_set(error, EX_OSERR, "cannot make the event loop: %s", strerror(errno));
    daemon->drain_timer = event_new(daemon->base, -1, EV_PERSIST, on_drain_tick, daemon);
    if (daemon->drain_timer == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    return signals_open(&daemon->signals, daemon->base, on_signal, daemon, error);
}

/* Runs until a stop; returns the exit code. */
static int serve(struct daemon *daemon, struct error *error)
{
    signals_release();
    if (event_base_dispatch(daemon->base) == -1) {
        error_set(error, EX_SOFTWARE, "the control loop failed: %s", strerror(errno));
        return EX_SOFTWARE;
    }
    return daemon->cut_count > 0 ? EX_TEMPFAIL : EX_OK;
}

/*
 * Says why culvert ends: as a record, for whoever reads the log, and as text where people look. A
 * log on stderr that is no terminal gets the record alone, so that it stays whole JSON or logfmt.
 */
static void report_failure(struct daemon *daemon, const struct error *error)
{
    const char *output = daemon->logger != NULL ? daemon->snapshot->process.log_output : NULL;
    bool is_on_stderr =
        output == NULL || strcmp(output, "stderr") == 0 || strcmp(output, "journald") == 0;
    struct error ignored;

    if (daemon->logger == NULL || daemon->has_terminal || !is_on_stderr)
        fprintf(stderr, "culvert: %s\n", error->text);
    if (daemon->logger == NULL || (daemon->has_terminal && is_on_stderr))
        return;
    log_message(LOG_ERROR, "failed", "%s", error->text);
    if (!logger_is_started(daemon->logger) && !logger_start(daemon->logger, &ignored))
        fprintf(stderr, "culvert: %s\n", error->text);
}

static void log_stopped(const struct daemon *daemon, int exit_code)
{
    struct log_event event;

    log_event_begin(&event, exit_code == EX_OK ? LOG_INFO : LOG_WARN, "stopped");
    log_event_integer(&event, "exit_code", exit_code);
    log_event_integer(&event, "cut_sessions", (int64_t)daemon->cut_count);
    log_event_seconds(&event, "uptime_s", clock_now_us() - daemon->started_us);
    log_event_post(&event);
}

/* A worker hangs, whatever its bug is: the process ends all the same, and says so. */
static _Noreturn void end_without(struct daemon *daemon, unsigned worker)
{
    struct error error;

    error_set(&error, EX_SOFTWARE,
              "worker %u does not end; culvert ends without it and cuts %d sessions off", worker,
              worker_group_sessions(daemon->group));
    report_failure(daemon, &error);
    pid_file_remove(&daemon->pid_file);
    logger_stop(daemon->logger, STUCK_LOG_GRACE_MS);
    _exit(EX_SOFTWARE);
}

/* Takes down what there is, in the opposite order; members may be empty. */
static void close_process(struct daemon *daemon, int exit_code, bool has_started)
{
    unsigned stuck;

    http_api_close(daemon->api);
    checker_close(daemon->checker);
    cert_watch_close(daemon->certificates);
    address_watch_close(daemon->addresses);
    name_watch_close(daemon->names);
    server_ends_close(daemon->ends);
    if (daemon->group != NULL && !worker_group_stop(daemon->group, &stuck))
        end_without(daemon, stuck);
    dns_watch_close(daemon->dns); /* not before the workers, which write to its descriptor */
    pid_file_remove(&daemon->pid_file);
    if (has_started)
        log_stopped(daemon, exit_code);
    if (daemon->logger != NULL)
        logger_stop(daemon->logger, LOG_GRACE_MS);
    log_attach(NULL, -1);
    event_set_log_callback(NULL);
    worker_group_close(daemon->group);
    logger_destroy(daemon->logger);
    signals_close(&daemon->signals);
    if (daemon->drain_timer != NULL)
        event_free(daemon->drain_timer);
    if (daemon->base != NULL)
        event_base_free(daemon->base);
    snapshot_unref(daemon->snapshot);
}

/* Reads the configuration; NULL with `*exit_code` when there is nothing to run. */
static struct config *load(const struct command_line *line, int *exit_code)
{
    struct config *config = config_load(&line->sources, true);

    if (config == NULL) {
        fprintf(stderr, "culvert: out of memory\n");
        *exit_code = EX_OSERR;
        return NULL;
    }
    if (config_is_valid(config) && !isatty(STDERR_FILENO))
        return config;
    config_print_diagnostics(config, stderr, command_line_wants_color(line->color, STDERR_FILENO),
                             false, false);
    if (config_is_valid(config))
        return config;
    config_destroy(config);
    *exit_code = EX_CONFIG;
    return NULL;
}

static int run(const struct command_line *line)
{
    struct daemon daemon = {.line = line,
                            .started_us = clock_now_us(),
                            .pid_file.fd = -1,
                            .has_terminal = isatty(STDERR_FILENO)};
    struct error error = {.text = ""};
    bool has_started;
    int exit_code;
    struct config *config;

    signals_hold(false);
    config = load(line, &exit_code);
    if (config == NULL)
        return exit_code;
    signals_hold(true);

    daemon.snapshot = config_snapshot(config);
    has_started = (daemon.snapshot != NULL || error_set(&error, EX_OSERR, "out of memory")) &&
                  prepare_process(&daemon, config, &error) && make_loop(&daemon, &error) &&
                  open_process(&daemon, &error) && announce(&daemon, &error);
    config_destroy(config);
    exit_code = has_started ? serve(&daemon, &error) : error.exit_code;
    if (!has_started && exit_code == EX_OK)
        exit_code = EX_SOFTWARE;
    if (error.text[0] != '\0')
        report_failure(&daemon, &error);
    close_process(&daemon, exit_code, has_started);
    return exit_code;
}

int daemon_run(int argc, char **argv)
{
    struct command_line line;
    struct error error = {.text = ""};
    int exit_code = EX_SOFTWARE;

    fill_standard_descriptors();
    signals_ignore();
    if (!command_line_parse(&line, argc, argv, &error)) {
        fprintf(stderr, "culvert: %s\n", error.text);
        command_line_release(&line);
        return error.exit_code;
    }
    switch (line.command) {
    case COMMAND_RUN:
        exit_code = run(&line);
        break;
    case COMMAND_CTL:
        exit_code = ctl_run(line.ctl_argc, line.ctl_argv);
        break;
    case COMMAND_TEST:
    case COMMAND_DUMP:
    case COMMAND_PRINT_DEFAULT:
    case COMMAND_HELP:
    case COMMAND_VERSION:
    case COMMAND_EXPLAIN:
    case COMMAND_EXPLAIN_CLOSE:
    case COMMAND_EXPLAIN_ROUTE:
    case COMMAND_REFERENCE:
        exit_code = inspect_run(&line);
        break;
    }
    command_line_release(&line);
    if (fflush(stdout) == EOF && exit_code == EX_OK)
        exit_code = EX_IOERR;
    return exit_code;
}
