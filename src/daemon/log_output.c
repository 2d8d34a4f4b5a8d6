/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_output.c - opening, wording for and writing to one output; what fails is counted, not fatal.
 */
#include "daemon/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/command_line.h"

/* How long a shared, non-blocking stderr whose reader is slow is waited for. */
#define STREAM_PATIENCE_MS 1000

/* A FIFO without a reader and a silent syslog are tried again after this time. */
#define RETRY_MS 1000

#define SYSLOG_PORT 514

static const struct {
    const char *word;
    unsigned code;
} facilities[] = {
    {"kern", 0},      {"user", 1},    {"mail", 2},    {"daemon", 3},  {"auth", 4},
    {"syslog", 5},    {"lpr", 6},     {"news", 7},    {"uucp", 8},    {"cron", 9},
    {"authpriv", 10}, {"ftp", 11},    {"local0", 16}, {"local1", 17}, {"local2", 18},
    {"local3", 19},   {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23},
};

/* RFC 5424, table 2. */
static unsigned syslog_severity(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return 3;
    case LOG_WARN:
        return 4;
    case LOG_INFO:
        return 6;
    case LOG_DEBUG:
    case LOG_TRACE:
        return 7;
    }
    return 7;
}

/* Opening */

/* Never waits: a FIFO that nobody reads fails with ENXIO, a full one with EAGAIN later. */
static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

static int open_syslog(const struct log_output *output)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(&output->syslog_addr, &storage);
    int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -1;
    if (connect(fd, (struct sockaddr *)&storage, length) == -1) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static bool set_syslog_path(struct log_output *output, const char *path, struct error *error)
{
    bool is_abstract = path[0] == '@';

    if (strlen(path) > ADDR_PATH_MAX)
        return error_set(error, EX_CONFIG, "the path of the syslog socket is too long: %s", path);
    output->syslog_path = strdup(is_abstract ? path + 1 : path);
    if (output->syslog_path == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    output->syslog_addr =
        (struct addr){.family = AF_UNIX, .is_abstract = is_abstract, .path = output->syslog_path};
    return true;
}

/* "syslog", "syslog:/path", "syslog:unix:/path", "syslog:1.2.3.4", "syslog:[::1]:514" */
static bool parse_syslog(struct log_output *output, const char *target, struct error *error)
{
    const char *where = target + strlen("syslog");
    const char *colon;
    size_t host_length;
    char *end = NULL;
    unsigned long port = SYSLOG_PORT;

    if (*where == '\0')
        return set_syslog_path(output, "/dev/log", error);
    where++;
    if (*where == '/')
        return set_syslog_path(output, where, error);
    if (strncmp(where, "unix:", 5) == 0)
        return set_syslog_path(output, where + 5, error);

    output->is_rfc5424 = true;
    colon = strrchr(where, ':');
    host_length = strlen(where);
    /* The last colon is the port's unless the address is a bare IPv6 one. */
    if (colon != NULL && (colon == strchr(where, ':') || colon[-1] == ']')) {
        host_length = (size_t)(colon - where);
        port = strtoul(colon + 1, &end, 10);
    }
    if ((end != NULL && *end != '\0') || port == 0 || port > 65535 ||
        !addr_parse_ip(where, host_length, &output->syslog_addr))
        return error_set(error, EX_CONFIG,
                         "'%s' is no syslog address; for example syslog:10.0.0.1:514 or "
                         "syslog:unix:/dev/log",
                         target);
    output->syslog_addr.port = (uint16_t)port;
    return true;
}

static bool set_facility(struct log_output *output, const char *word, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(facilities); i++) {
        if (strcmp(facilities[i].word, word) == 0) {
            output->facility = facilities[i].code;
            return true;
        }
    }
    return error_set(error, EX_CONFIG,
                     "'%s' is no syslog facility: daemon, user, local0 to local7, ...", word);
}

/* Names in a syslog header are visible ASCII without blanks. */
static void copy_header_word(char *into, size_t size, const char *word)
{
    size_t length = 0;

    for (; *word != '\0' && length < size - 1; word++) {
        if (*word > ' ' && *word <= '~')
            into[length++] = *word;
    }
    if (length == 0)
        into[length++] = '-';
    into[length] = '\0';
}

static bool open_syslog_output(struct log_output *output, const struct log_output_options *options,
                               struct error *error)
{
    const char *facility = options->syslog_facility;
    const char *tag = options->syslog_tag;
    char host[65] = "-";

    output->kind = LOG_OUTPUT_SYSLOG;
    if (!parse_syslog(output, options->target, error) ||
        !set_facility(output, facility != NULL ? facility : "daemon", error))
        return false;
    if (gethostname(host, sizeof(host) - 1) == -1)
        strcpy(host, "-");
    copy_header_word(output->host, sizeof(output->host), host);
    copy_header_word(output->tag, sizeof(output->tag), tag != NULL ? tag : "culvert");
    output->fd = open_syslog(output);
    return true;
}

static bool open_file_output(struct log_output *output, const char *path, struct error *error)
{
    output->kind = LOG_OUTPUT_FILE;
    output->path = strdup(path);
    if (output->path == NULL)
        return error_set(error, EX_OSERR, "out of memory");
    output->fd = open_file(path);
    if (output->fd == -1 && errno != ENXIO)
        return error_set(error, EX_CONFIG, "cannot open the log %s: %s", path, strerror(errno));
    return true;
}

bool log_output_open(struct log_output *output, const struct log_output_options *options,
                     struct error *error)
{
    const char *target = options->target != NULL ? options->target : "stderr";
    const char *journal = getenv("JOURNAL_STREAM");
    bool is_timed = true;

    *output = (struct log_output){.fd = -1};
    if (strcmp(target, "stderr") == 0 || strcmp(target, "stdout") == 0) {
        output->kind = LOG_OUTPUT_STREAM;
        output->fd = strcmp(target, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO;
        is_timed = journal == NULL || journal[0] == '\0';
    } else if (strcmp(target, "journald") == 0) {
        output->kind = LOG_OUTPUT_JOURNALD;
        output->fd = STDERR_FILENO;
        is_timed = false;
    } else if (strcmp(target, "syslog") == 0 || strncmp(target, "syslog:", 7) == 0) {
        if (!open_syslog_output(output, options, error))
            return false;
        is_timed = false;
    } else if (!open_file_output(output, target, error)) {
        return false;
    }

    if (options->format >= 0)
        output->format = (enum log_format)options->format;
    else if (output->kind == LOG_OUTPUT_STREAM && isatty(output->fd))
        output->format = LOG_TEXT;
    else
        output->format = LOG_LOGFMT;
    output->with_time = options->timestamps >= 0 ? options->timestamps == 1 : is_timed;
    output->with_color = output->format == LOG_TEXT && output->kind == LOG_OUTPUT_STREAM &&
                         command_line_wants_color(options->color, output->fd);
    return true;
}

/* Wording */

static void append_syslog_header(const struct log_output *output, const struct log_record *record,
                                 struct text *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(record->wall_us / 1000000);
    unsigned priority = output->facility * 8 + syslog_severity(record->level);
    struct tm when;

    if (output->is_rfc5424) {
        gmtime_r(&seconds, &when);
        text_append_format(out, "<%u>1 %04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s %d - - ", priority,
                           when.tm_year + 1900, when.tm_mon + 1, when.tm_mday, when.tm_hour,
                           when.tm_min, when.tm_sec, (int)(record->wall_us / 1000 % 1000),
                           output->host, output->tag, (int)getpid());
    } else {
        localtime_r(&seconds, &when);
        text_append_format(out, "<%u>%.3s %2d %02d:%02d:%02d %s[%d]: ", priority,
                           months + 3 * (size_t)when.tm_mon, when.tm_mday, when.tm_hour,
                           when.tm_min, when.tm_sec, output->tag, (int)getpid());
    }
}

void log_output_word(const struct log_output *output, const struct log_record *record,
                     struct text *out)
{
    struct log_line line = {.out = out,
                            .format = output->format,
                            .level = record->level,
                            .wall_us = record->wall_us,
                            .with_time = output->with_time,
                            .with_color = output->with_color};

    if (output->kind == LOG_OUTPUT_SYSLOG)
        append_syslog_header(output, record, out);
    else if (output->kind == LOG_OUTPUT_JOURNALD)
        text_append_format(out, "<%u>", syslog_severity(record->level));
    record->expand(record->payload, record->size, &line);
    if (output->kind == LOG_OUTPUT_SYSLOG)
        return;
    if (out->is_cut) /* a line is a line, however long its record */
        out->bytes[out->length - 1] = '\n';
    else
        text_append_char(out, '\n');
}

/* Writing */

/* True when a shared descriptor that somebody made non-blocking became writable in time. */
static bool wait_for_reader(const struct log_output *output)
{
    struct pollfd stream = {.fd = output->fd, .events = POLLOUT};
    bool is_ours = output->kind == LOG_OUTPUT_FILE;

    if (is_ours || output->is_failing)
        return false;
    return poll(&stream, 1, STREAM_PATIENCE_MS) == 1;
}

/* Writes everything, or returns false with errno; `*rest` is then what is missing. */
static bool write_whole(struct log_output *output, const char *bytes, size_t length, size_t *rest)
{
    *rest = length;
    while (*rest > 0) {
        ssize_t written = write(output->fd, bytes + length - *rest, *rest);

        if (written > 0)
            *rest -= (size_t)written;
        else if (written == -1 && errno != EINTR && (errno != EAGAIN || !wait_for_reader(output)))
            return false;
    }
    return true;
}

static bool write_line(struct log_output *output, const char *line, size_t length, int64_t now_ms)
{
    size_t rest;

    if (output->fd == -1) {
        if (now_ms < output->next_retry_ms) {
            errno = output->lost_error != 0 ? output->lost_error : ENXIO;
            return false;
        }
        output->next_retry_ms = now_ms + RETRY_MS;
        output->fd = open_file(output->path);
        if (output->fd == -1)
            return false;
    }
    if (output->is_torn && !write_whole(output, "\n", 1, &rest))
        return false;
    output->is_torn = false;
    if (write_whole(output, line, length, &rest))
        return true;
    output->is_torn = rest < length;
    return false;
}

/* A datagram goes whole or not at all. After an error the socket is opened anew once per retry
   time: a restarted syslog daemon leaves the old one useless. */
static bool send_datagram(struct log_output *output, const char *line, size_t length,
                          int64_t now_ms)
{
    if (output->fd != -1) {
        if (send(output->fd, line, length, MSG_NOSIGNAL) != -1)
            return true;
        if (errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS)
            return false;
    }
    if (now_ms < output->next_retry_ms) {
        if (output->fd == -1)
            errno = ENOTCONN;
        return false;
    }
    output->next_retry_ms = now_ms + RETRY_MS;
    if (output->fd != -1)
        close(output->fd);
    output->fd = open_syslog(output);
    return output->fd != -1 && send(output->fd, line, length, MSG_NOSIGNAL) != -1;
}

enum log_output_answer log_output_write(struct log_output *output, const char *line, size_t length,
                                        int64_t now_ms)
{
    bool is_written = output->kind == LOG_OUTPUT_SYSLOG
                          ? send_datagram(output, line, length, now_ms)
                          : write_line(output, line, length, now_ms);

    if (!is_written) {
        if (!output->is_failing) {
            output->lost = 0;
            output->lost_error = errno;
        }
        output->is_failing = true;
        output->lost++;
        return LOG_OUTPUT_LOST;
    }
    if (!output->is_failing)
        return LOG_OUTPUT_WRITTEN;
    output->is_failing = false;
    return LOG_OUTPUT_RECOVERED;
}

bool log_output_reopen(struct log_output *output)
{
    int fd;

    if (output->kind != LOG_OUTPUT_FILE)
        return true;
    fd = open_file(output->path);
    if (fd == -1)
        return errno == ENXIO && output->fd == -1;
    if (output->fd != -1)
        close(output->fd);
    output->fd = fd;
    output->is_torn = false;
    return true;
}

void log_output_close(struct log_output *output)
{
    bool is_ours = output->kind == LOG_OUTPUT_FILE || output->kind == LOG_OUTPUT_SYSLOG;

    if (is_ours && output->fd != -1)
        close(output->fd);
    free(output->path);
    free(output->syslog_path);
    *output = (struct log_output){.fd = -1};
}
