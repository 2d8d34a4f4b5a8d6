/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_output.h - one place that log lines go to: a descriptor, a file, a syslog socket.
 *
 * Used by the logger thread alone (opened by the control thread before it starts).
 */
#ifndef CULVERT_DAEMON_LOG_OUTPUT_H
#define CULVERT_DAEMON_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "net/addr.h"

enum log_output_kind {
    LOG_OUTPUT_STREAM,   /* stderr or stdout, never closed or changed */
    LOG_OUTPUT_FILE,     /* re-opened on USR1 */
    LOG_OUTPUT_JOURNALD, /* stderr with <N> before each line */
    LOG_OUTPUT_SYSLOG,   /* datagrams */
};

struct log_output_options {
    const char *target; /* stderr, stdout, a path, syslog, syslog:ADDR, journald */
    int format;         /* enum log_format, or -1 = auto */
    int color;          /* -1 auto, 0 never, 1 always */
    int timestamps;     /* -1 auto, 0 no, 1 yes */
    const char *syslog_facility;
    const char *syslog_tag;
};

struct log_output {
    enum log_output_kind kind;
    int fd;     /* -1 while a file or socket cannot be had */
    char *path; /* LOG_OUTPUT_FILE */
    struct addr syslog_addr;
    char *syslog_path; /* owns the path of syslog_addr */
    bool is_rfc5424;   /* over an address; RFC 3164 to /dev/log */
    unsigned facility;
    char tag[49];  /* syslog application name, RFC 5424 6.2.5 */
    char host[65]; /* syslog host name */
    enum log_format format;
    bool with_time;
    bool with_color;
    bool is_torn;          /* the last line was written in part: end it first */
    bool is_failing;       /* lines are being lost */
    uint64_t lost;         /* since it began to fail */
    int lost_error;        /* the errno with which that began */
    int64_t next_retry_ms; /* a syslog socket that failed is not tried before */
};

/* What became of a line. */
enum log_output_answer {
    LOG_OUTPUT_WRITTEN,
    LOG_OUTPUT_RECOVERED, /* written, after a time of loss: `lost` says how many */
    LOG_OUTPUT_LOST,
};

/*
 * Opens the output. A file that cannot be opened is a set-up error (exit code 78); a syslog daemon
 * that does not answer is not: it is tried again.
 */
bool log_output_open(struct log_output *output, const struct log_output_options *options,
                     struct error *error) CULVERT_MUST_CHECK;

/* Words the record in the output's format into `out`, newline included. */
void log_output_word(const struct log_output *output, const struct log_record *record,
                     struct text *out);

/*
 * Writes one line with one write(2); may block on a pipe or terminal whose reader is slow. What
 * cannot be written is lost and counted, never an end of culvert.
 */
enum log_output_answer log_output_write(struct log_output *output, const char *line, size_t length,
                                        int64_t now_ms);

/* Opens a file anew (it may have been renamed); the old one stays when that fails: false. */
bool log_output_reopen(struct log_output *output);

void log_output_close(struct log_output *output);

#endif
