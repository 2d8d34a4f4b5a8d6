/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - how any thread says something without ever waiting.
 *
 * Each thread owns one ring of fixed-size records (single producer, single consumer). The logger
 * thread (daemon/logger) empties all rings, words the records and writes them, one write(2) per
 * line. A full ring drops the newest record and counts it: nothing on the data path blocks on a
 * log. A record holds its payload in binary; `expand` words it later, in the logger's time.
 */
#ifndef CULVERT_CORE_LOG_H
#define CULVERT_CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/text.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

enum log_format { LOG_TEXT, LOG_LOGFMT, LOG_JSON };

/* Where a record goes: [log] output or [log] access_output. */
enum log_stream { LOG_PROCESS, LOG_ACCESS };

/* One line being worded; the functions below add its fields in the format asked for. */
struct log_line {
    struct text *out;
    enum log_format format;
    enum log_level level;
    int64_t wall_us;
    bool with_time;
    bool with_color; /* text format only */
};

/* Opens the line: time, level, event. Every expand function calls it first. */
void log_line_begin(struct log_line *line, const char *event);
/* Adds a field. Strings are escaped; `value` need not be NUL-terminated. */
void log_line_string(struct log_line *line, const char *key, const char *value, size_t length);
void log_line_integer(struct log_line *line, const char *key, int64_t value);
/* Adds a duration given in microseconds as seconds with up to six decimals. */
void log_line_seconds(struct log_line *line, const char *key, int64_t value_us);
/* Closes the line (and the JSON object); no newline. */
void log_line_end(struct log_line *line);

/* Words a payload: log_line_begin(), fields, log_line_end(). Runs in the logger thread. */
typedef void (*log_expand)(const void *payload, size_t size, struct log_line *line);

#define LOG_PAYLOAD_BYTES 832

struct log_record {
    int64_t wall_us;
    log_expand expand;
    enum log_level level;
    enum log_stream stream;
    size_t size;
    unsigned char payload[LOG_PAYLOAD_BYTES]; /* aligned for any payload struct */
} __attribute__((aligned(16)));

struct log_ring;

/* A ring for at most `records` records; it takes memory as it fills. NULL without memory. */
struct log_ring *log_ring_create(size_t records);
void log_ring_destroy(struct log_ring *ring);
/* Consumer side: the oldest record, or NULL. It stays valid until log_ring_pop(). */
const struct log_record *log_ring_peek(struct log_ring *ring);
void log_ring_pop(struct log_ring *ring);
/* How many records were dropped because the ring was full. Any thread. */
uint64_t log_ring_dropped(const struct log_ring *ring);

/*
 * The calling thread posts into `ring` from now on; NULL: its records are dropped silently.
 * `wake_fd` is the logger's eventfd(2), written only when the logger has said that it sleeps
 * (log_ring_set_sleeping()).
 */
void log_attach(struct log_ring *ring, int wake_fd);
/* Consumer side: announce sleep (true) or wakefulness (false). Look at the ring once more after
   announcing sleep: a record may have come in between. */
void log_ring_set_sleeping(struct log_ring *ring, bool is_sleeping);

/* The level from which records are dropped unseen; process-wide, atomic. */
void log_set_level(enum log_level level);
bool log_is_enabled(enum log_level level);

/* Posts a record with a binary payload of `size` <= LOG_PAYLOAD_BYTES. */
void log_post(enum log_level level, enum log_stream stream, log_expand expand, const void *payload,
              size_t size);

/* Builds a process event with fields; it is cut at the payload's size, never overruns. */
struct log_event {
    enum log_level level;
    size_t size;
    unsigned char payload[LOG_PAYLOAD_BYTES];
};
void log_event_begin(struct log_event *event, enum log_level level, const char *name);
void log_event_string(struct log_event *event, const char *key, const char *value);
void log_event_integer(struct log_event *event, const char *key, int64_t value);
/* A duration in microseconds, worded in seconds. */
void log_event_seconds(struct log_event *event, const char *key, int64_t value_us);
void log_event_post(const struct log_event *event);

/* A process event with the one field `message`. */
void log_message(enum log_level level, const char *event, const char *format, ...)
    CULVERT_PRINTF(3, 4);

/* Rate limit for messages that a peer can cause: at most one per second. */
struct log_limit {
    int64_t next_ms;
    uint64_t suppressed;
};
/* True when the message may go out now; `*suppressed` is then how many were held back before. */
bool log_limit_pass(struct log_limit *limit, int64_t now_ms, uint64_t *suppressed);

/* The words of [log] level; also as log field. */
const char *log_level_word(enum log_level level);

#endif
