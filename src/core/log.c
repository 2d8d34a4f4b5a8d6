/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - the rings between the threads that say something and the one that writes, and the
 * wording of a line in each format.
 */
#include "core/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

/*
 * A ring is a queue of chunks: it grows by a chunk when its reader is slow and shrinks again, so
 * that a large [log] queue costs memory only while it is needed. One emptied chunk is handed back
 * as a spare; in the steady state nothing is allocated.
 */
#define CHUNK_RECORDS 32

struct log_chunk {
    struct log_record records[CHUNK_RECORDS];
    struct log_chunk *next; /* published by the `written` of the record that follows */
};

struct log_ring {
    /* The producer's line. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t written; /* records posted so far */
    _Atomic uint64_t dropped;
    struct log_chunk *write_chunk;
    size_t capacity;
    /* The consumer's line. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t taken; /* records popped so far */
    struct log_chunk *read_chunk;
    uint64_t read_chunk_end; /* the record from which the next chunk is due */
    /* Both. */
    _Alignas(CACHE_LINE_BYTES) _Atomic(struct log_chunk *) spare;
    _Atomic bool is_sleeping;
};

static _Thread_local struct {
    struct log_ring *ring;
    int wake_fd;
} attached = {.ring = NULL, .wake_fd = -1};

static _Atomic int lowest_level = LOG_INFO;

/* Rings */

struct log_ring *log_ring_create(size_t records)
{
    struct log_ring *ring = aligned_alloc(CACHE_LINE_BYTES, sizeof(*ring));

    if (ring == NULL)
        return NULL;
    memset(ring, 0, sizeof(*ring));
    ring->write_chunk = malloc(sizeof(*ring->write_chunk));
    if (ring->write_chunk == NULL) {
        free(ring);
        return NULL;
    }
    ring->write_chunk->next = NULL;
    ring->read_chunk = ring->write_chunk;
    ring->read_chunk_end = CHUNK_RECORDS;
    ring->capacity = records > 0 ? records : 1;
    return ring;
}

void log_ring_destroy(struct log_ring *ring)
{
    if (ring == NULL)
        return;
    for (struct log_chunk *chunk = ring->read_chunk; chunk != NULL;) {
        struct log_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
    free(atomic_load_explicit(&ring->spare, memory_order_acquire));
    free(ring);
}

/* The place for record number `position`, or NULL without memory for a further chunk. */
static struct log_record *place_to_write(struct log_ring *ring, uint64_t position)
{
    if (position % CHUNK_RECORDS == 0 && position > 0) {
        struct log_chunk *chunk =
            atomic_exchange_explicit(&ring->spare, NULL, memory_order_acquire);

        if (chunk == NULL)
            chunk = malloc(sizeof(*chunk));
        if (chunk == NULL)
            return NULL;
        chunk->next = NULL;
        ring->write_chunk->next = chunk;
        ring->write_chunk = chunk;
    }
    return &ring->write_chunk->records[position % CHUNK_RECORDS];
}

const struct log_record *log_ring_peek(struct log_ring *ring)
{
    uint64_t position = atomic_load_explicit(&ring->taken, memory_order_relaxed);

    /* Sequentially consistent, as in log_post(): see log_ring_set_sleeping(). */
    if (atomic_load(&ring->written) == position)
        return NULL;
    if (position == ring->read_chunk_end) {
        struct log_chunk *emptied = ring->read_chunk;

        ring->read_chunk = emptied->next;
        ring->read_chunk_end += CHUNK_RECORDS;
        free(atomic_exchange_explicit(&ring->spare, emptied, memory_order_acq_rel));
    }
    return &ring->read_chunk->records[position % CHUNK_RECORDS];
}

void log_ring_pop(struct log_ring *ring)
{
    uint64_t position = atomic_load_explicit(&ring->taken, memory_order_relaxed);

    atomic_store_explicit(&ring->taken, position + 1, memory_order_release);
}

uint64_t log_ring_dropped(const struct log_ring *ring)
{
    return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}

void log_ring_set_sleeping(struct log_ring *ring, bool is_sleeping)
{
    /*
     * The consumer stores this and then looks for records; the producer stores `written` and then
     * looks at this. All four are sequentially consistent, so at least one sees the other.
     */
    atomic_store(&ring->is_sleeping, is_sleeping);
}

/* Posting */

void log_attach(struct log_ring *ring, int wake_fd)
{
    attached.ring = ring;
    attached.wake_fd = wake_fd;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

bool log_is_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

static void wake_consumer(struct log_ring *ring)
{
    const uint64_t one = 1;

    if (atomic_load(&ring->is_sleeping) && atomic_exchange(&ring->is_sleeping, false)) {
        /* It cannot block or fail: one writer per sleep, far below the eventfd's maximum. */
        ssize_t written = write(attached.wake_fd, &one, sizeof(one));

        (void)written;
    }
}

void log_post(enum log_level level, enum log_stream stream, log_expand expand, const void *payload,
              size_t size)
{
    struct log_ring *ring = attached.ring;
    struct log_record *record;
    uint64_t position;

    assert(size <= LOG_PAYLOAD_BYTES);
    if (ring == NULL || !log_is_enabled(level))
        return;

    position = atomic_load_explicit(&ring->written, memory_order_relaxed);
    if (position - atomic_load_explicit(&ring->taken, memory_order_acquire) >= ring->capacity ||
        (record = place_to_write(ring, position)) == NULL) {
        uint64_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);

        atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
        return;
    }
    record->wall_us = clock_wall_us();
    record->expand = expand;
    record->level = level;
    record->stream = stream;
    record->size = size;
    if (size > 0)
        memcpy(record->payload, payload, size);
    atomic_store(&ring->written, position + 1);
    wake_consumer(ring);
}

/*
 * Events: the name with its NUL, then fields. A field is its kind, its key with the NUL, and
 * either eight bytes of a number or two bytes of length and a string.
 */

enum field_kind { FIELD_STRING, FIELD_INTEGER, FIELD_SECONDS };

static const char cut_mark[] = "...";

/* Appends a field's kind and key when they and `more` bytes fit. */
static bool event_add_key(struct log_event *event, enum field_kind kind, const char *key,
                          size_t more)
{
    size_t key_size = strlen(key) + 1;

    if (event->size + 1 + key_size + more > sizeof(event->payload))
        return false;
    event->payload[event->size++] = (unsigned char)kind;
    memcpy(event->payload + event->size, key, key_size);
    event->size += key_size;
    return true;
}

void log_event_begin(struct log_event *event, enum log_level level, const char *name)
{
    size_t name_size = strlen(name) + 1;

    assert(name_size <= sizeof(event->payload));
    event->level = level;
    memcpy(event->payload, name, name_size);
    event->size = name_size;
}

void log_event_string(struct log_event *event, const char *key, const char *value)
{
    size_t length = strlen(value);
    uint16_t stored;
    size_t room;

    if (!event_add_key(event, FIELD_STRING, key, sizeof(stored) + sizeof(cut_mark) - 1))
        return;
    room = sizeof(event->payload) - event->size - sizeof(stored);
    stored = (uint16_t)(length <= room ? length : room);
    memcpy(event->payload + event->size, &stored, sizeof(stored));
    event->size += sizeof(stored);
    memcpy(event->payload + event->size, value, stored);
    event->size += stored;
    if (stored < length)
        memcpy(event->payload + event->size - strlen(cut_mark), cut_mark, strlen(cut_mark));
}

static void event_add_number(struct log_event *event, enum field_kind kind, const char *key,
                             int64_t value)
{
    if (!event_add_key(event, kind, key, sizeof(value)))
        return;
    memcpy(event->payload + event->size, &value, sizeof(value));
    event->size += sizeof(value);
}

void log_event_integer(struct log_event *event, const char *key, int64_t value)
{
    event_add_number(event, FIELD_INTEGER, key, value);
}

void log_event_seconds(struct log_event *event, const char *key, int64_t value_us)
{
    event_add_number(event, FIELD_SECONDS, key, value_us);
}

/* Words what the functions above stored: a log_expand function. */
static void event_expand(const void *payload, size_t size, struct log_line *line)
{
    const char *next = payload;
    const char *end = next + size;

    log_line_begin(line, next);
    next += strlen(next) + 1;
    while (next < end) {
        enum field_kind kind = (enum field_kind)(unsigned char)*next++;
        const char *key = next;
        uint16_t length;
        int64_t number;

        next += strlen(key) + 1;
        switch (kind) {
        case FIELD_STRING:
            memcpy(&length, next, sizeof(length));
            log_line_string(line, key, next + sizeof(length), length);
            next += sizeof(length) + length;
            break;
        case FIELD_INTEGER:
        case FIELD_SECONDS:
            memcpy(&number, next, sizeof(number));
            next += sizeof(number);
            if (kind == FIELD_INTEGER)
                log_line_integer(line, key, number);
            else
                log_line_seconds(line, key, number);
            break;
        }
    }
    log_line_end(line);
}

void log_event_post(const struct log_event *event)
{
    log_post(event->level, LOG_PROCESS, event_expand, event->payload, event->size);
}

void log_message(enum log_level level, const char *name, const char *format, ...)
{
    struct log_event event;
    char message[LOG_PAYLOAD_BYTES];
    va_list arguments;

    if (!log_is_enabled(level))
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    log_event_begin(&event, level, name);
    log_event_string(&event, "message", message);
    log_event_post(&event);
}

bool log_limit_pass(struct log_limit *limit, int64_t now_ms, uint64_t *suppressed)
{
    if (now_ms < limit->next_ms) {
        limit->suppressed++;
        return false;
    }
    *suppressed = limit->suppressed;
    limit->suppressed = 0;
    limit->next_ms = now_ms + 1000;
    return true;
}

/* Lines */

#define COLOR_RESET "\033[0m"
#define COLOR_DIM "\033[2m"
#define COLOR_BOLD "\033[1m"

const char *log_level_word(enum log_level level)
{
    static const char *const words[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn",   [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug", [LOG_TRACE] = "trace",
    };

    return words[level];
}

static const char *level_color(enum log_level level)
{
    static const char *const colors[] = {
        [LOG_ERROR] = "\033[1;31m", [LOG_WARN] = "\033[33m", [LOG_INFO] = "\033[32m",
        [LOG_DEBUG] = "\033[36m",   [LOG_TRACE] = "\033[2m",
    };

    return colors[level];
}

/* RFC 3339, milliseconds, UTC. */
static void append_time(struct text *out, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    text_append_format(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                       (int)(wall_us / 1000 % 1000));
}

static void begin_for_people(struct log_line *line, const char *event)
{
    if (line->with_time) {
        text_append(line->out, line->with_color ? COLOR_DIM : "");
        append_time(line->out, line->wall_us);
        text_append(line->out, line->with_color ? COLOR_RESET " " : " ");
    }
    text_append(line->out, line->with_color ? level_color(line->level) : "");
    text_append_format(line->out, "%-5s", log_level_word(line->level));
    text_append(line->out, line->with_color ? COLOR_RESET " " COLOR_BOLD : " ");
    text_append(line->out, event);
    text_append(line->out, line->with_color ? COLOR_RESET : "");
}

void log_line_begin(struct log_line *line, const char *event)
{
    switch (line->format) {
    case LOG_TEXT:
        begin_for_people(line, event);
        break;
    case LOG_LOGFMT:
        if (line->with_time) {
            text_append(line->out, "time=");
            append_time(line->out, line->wall_us);
            text_append_char(line->out, ' ');
        }
        text_append(line->out, "level=");
        text_append(line->out, log_level_word(line->level));
        text_append(line->out, " event=");
        text_append(line->out, event);
        break;
    case LOG_JSON:
        text_append_char(line->out, '{');
        if (line->with_time) {
            text_append(line->out, "\"time\":\"");
            append_time(line->out, line->wall_us);
            text_append(line->out, "\",");
        }
        text_append(line->out, "\"level\":\"");
        text_append(line->out, log_level_word(line->level));
        text_append(line->out, "\",\"event\":\"");
        text_append(line->out, event);
        text_append_char(line->out, '"');
        break;
    }
}

/* Whether a value can stand without quotes: every byte visible and none that means something. */
static bool is_plain(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)value[i];

        if (byte <= ' ' || byte > '~' || byte == '=' || byte == '"' || byte == '\\')
            return false;
    }
    return length > 0;
}

static void append_key(struct log_line *line, const char *key)
{
    switch (line->format) {
    case LOG_TEXT:
        text_append(line->out, line->with_color ? " " COLOR_DIM : " ");
        text_append(line->out, key);
        text_append(line->out, line->with_color ? "=" COLOR_RESET : "=");
        break;
    case LOG_LOGFMT:
        text_append_char(line->out, ' ');
        text_append(line->out, key);
        text_append_char(line->out, '=');
        break;
    case LOG_JSON:
        text_append(line->out, ",\"");
        text_append(line->out, key);
        text_append(line->out, "\":");
        break;
    }
}

void log_line_string(struct log_line *line, const char *key, const char *value, size_t length)
{
    bool is_quoted = line->format == LOG_JSON || !is_plain(value, length);

    if (line->format == LOG_TEXT && length == 0)
        return;
    if (line->format == LOG_TEXT && strcmp(key, "message") == 0) {
        /* People need no key to read a sentence. */
        text_append(line->out, ": ");
        is_quoted = false;
    } else {
        append_key(line, key);
    }
    if (is_quoted)
        text_append_char(line->out, '"');
    text_append_escaped(line->out, value, length);
    if (is_quoted)
        text_append_char(line->out, '"');
}

void log_line_integer(struct log_line *line, const char *key, int64_t value)
{
    append_key(line, key);
    text_append_format(line->out, "%lld", (long long)value);
}

void log_line_seconds(struct log_line *line, const char *key, int64_t value_us)
{
    uint64_t magnitude = value_us < 0 ? 0 - (uint64_t)value_us : (uint64_t)value_us;
    char fraction[8];
    size_t length = 6;

    append_key(line, key);
    text_append_format(line->out, "%s%llu", value_us < 0 ? "-" : "",
                       (unsigned long long)(magnitude / 1000000));
    snprintf(fraction, sizeof(fraction), "%06u", (unsigned)(magnitude % 1000000));
    while (length > 0 && fraction[length - 1] == '0')
        length--;
    if (length > 0) {
        text_append_char(line->out, '.');
        text_append_bytes(line->out, fraction, length);
    }
}

void log_line_end(struct log_line *line)
{
    if (line->format == LOG_JSON)
        text_append_char(line->out, '}');
}
