/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_record.c - wording a session's record: fixed keys in a fixed order.
 */
#include "relay/session_record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *phase_word(enum phase phase)
{
    switch (phase) {
    case PHASE_PREREAD:
        return "preread";
    case PHASE_HANDSHAKE:
        return "handshake";
    case PHASE_QUEUE:
        return "queue";
    case PHASE_CONNECT:
        return "connect";
    case PHASE_RELAY:
        return "relay";
    case PHASE_HALF_CLOSED:
        return "half_closed";
    case PHASE_ABORTING:
        return "aborting";
    case PHASE_COUNT:
        break;
    }
    return "";
}

const char *session_tls_word(enum session_tls tls)
{
    switch (tls) {
    case SESSION_PLAIN:
        return "";
    case SESSION_TLS_1_2:
        return "TLSv1.2";
    case SESSION_TLS_1_3:
        return "TLSv1.3";
    case SESSION_TLS_COUNT:
        break;
    }
    return "";
}

const char *first_word(enum first first)
{
    switch (first) {
    case FIRST_NOBODY:
        return "";
    case FIRST_CLIENT:
        return "client";
    case FIRST_SERVER:
        return "server";
    case FIRST_CULVERT:
        return "culvert";
    }
    return "";
}

const char *waited_for_word(enum first first)
{
    return first == FIRST_CULVERT ? "both" : first_word(first);
}

void session_record_set_client(char *shown, const struct addr *client, enum client_ip how)
{
    struct text text = text_over(shown, sizeof(((struct session_record *)NULL)->client));
    struct addr addr = *client;

    switch (how) {
    case CLIENT_IP_OFF:
        return;
    case CLIENT_IP_MASKED:
        if (addr.family == AF_INET)
            addr.v4.s_addr &= htonl(0xffffff00);
        else if (addr.family == AF_INET6)
            memset(addr.v6.s6_addr + 6, 0, 10);
        break;
    case CLIENT_IP_FULL:
        break;
    }
    addr_format(&addr, &text);
}

const char *path_text(const struct session_record *record)
{
    uint64_t all_bytes = record->upload_bytes + record->download_bytes;

    if (all_bytes == 0)
        return "";
    if (record->tls[0] != '\0' || record->server_tls[0] != '\0')
        return "tls";
    if (record->spliced_bytes == 0)
        return "copy";
    return record->spliced_bytes >= all_bytes ? "splice" : "mixed";
}

const char *errno_word(int error, char *buffer, size_t size)
{
    const char *name;

    if (error == 0)
        return "";
    name = strerrorname_np(error);
    if (name != NULL)
        return name;
    snprintf(buffer, size, "%d", error);
    return buffer;
}

/* Identifiers: both halves of the number in base 36, the upper one with at least six digits. */

#define ID_BASE 36
#define ID_UPPER_DIGITS 6
#define ID_DIGITS_MAX 7 /* of 32 bits */

static char *format_half(char *out, uint32_t half, int digits)
{
    char reversed[ID_DIGITS_MAX];
    int count = 0;

    for (; half != 0 || count < digits; half /= ID_BASE)
        reversed[count++] = "0123456789abcdefghijklmnopqrstuvwxyz"[half % ID_BASE];
    while (count > 0)
        *out++ = reversed[--count];
    return out;
}

const char *session_id_text(uint64_t id, char *buffer)
{
    char *out = format_half(buffer, (uint32_t)(id >> 32), ID_UPPER_DIGITS);

    *out++ = '-';
    *format_half(out, (uint32_t)id, 1) = '\0';
    return buffer;
}

static int digit_value(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 10;
    return -1;
}

/* Reads digits up to `end`; false when there are none, too many, or another character. */
static bool parse_half(const char **text, char end, uint32_t *half)
{
    const char *start = *text;
    uint64_t value = 0;
    int digit;

    for (; (digit = digit_value(**text)) != -1; (*text)++) {
        if (*text - start == ID_DIGITS_MAX)
            return false;
        value = value * ID_BASE + (unsigned)digit;
    }
    if (*text == start || **text != end || value > UINT32_MAX)
        return false;
    *half = (uint32_t)value;
    return true;
}

bool session_id_parse(const char *text, uint64_t *id)
{
    uint32_t upper;
    uint32_t lower;

    if (!parse_half(&text, '-', &upper))
        return false;
    text++;
    if (!parse_half(&text, '\0', &lower))
        return false;
    *id = (uint64_t)upper << 32 | lower;
    return true;
}

/* Lines */

static void add_word(struct log_line *line, const char *key, const char *word)
{
    log_line_string(line, key, word, strlen(word));
}

static void add_name(struct log_line *line, const char *key, const char *name, size_t size)
{
    log_line_string(line, key, name, strnlen(name, size));
}

/* What is mostly 0: people need not read it then. */
static void add_count(struct log_line *line, const char *key, uint64_t count)
{
    if (count > 0 || line->format != LOG_TEXT)
        log_line_integer(line, key, (int64_t)count);
}

/* A time that was never taken is -1, of which nobody would think it was measured. */
static void add_seconds(struct log_line *line, const char *key, int64_t us)
{
    if (us > 0 || line->format != LOG_TEXT)
        log_line_seconds(line, key, us < 0 ? -1000000 : us);
}

static void add_identity(struct log_line *line, const struct session_record *record)
{
    char id[24];

    add_word(line, "id", session_id_text(record->id, id));
    add_name(line, "listener", record->listener, sizeof(record->listener));
    add_name(line, "route", record->route, sizeof(record->route));
    add_name(line, "pool", record->pool, sizeof(record->pool));
    add_name(line, "server", record->server, sizeof(record->server));
    add_name(line, "client", record->client, sizeof(record->client));
    add_name(line, "client_socket", record->client_socket, sizeof(record->client_socket));
    if (line->format != LOG_TEXT || strcmp(record->server_addr, record->server) != 0)
        add_name(line, "server_addr", record->server_addr, sizeof(record->server_addr));
    add_name(line, "sni", record->sni, sizeof(record->sni));
    add_name(line, "tls", record->tls, sizeof(record->tls));
    add_name(line, "server_tls", record->server_tls, sizeof(record->server_tls));
}

static void add_end(struct log_line *line, const struct session_record *record)
{
    char number[16];

    add_word(line, "reason", close_reason_word(record->reason));
    add_word(line, "phase", phase_word(record->phase));
    add_word(line, "first", first_word(record->first));
    add_word(line, "waited_for", waited_for_word(record->waited_for));
    add_word(line, "errno", errno_word(record->error, number, sizeof(number)));
    add_name(line, "proxy_error", record->proxy_error, sizeof(record->proxy_error));
    add_name(line, "tls_error", record->tls_error, sizeof(record->tls_error));
    log_line_integer(line, "upload_bytes", (int64_t)record->upload_bytes);
    log_line_integer(line, "download_bytes", (int64_t)record->download_bytes);
    add_count(line, "undelivered_bytes", record->undelivered_bytes);
    add_count(line, "spliced_bytes", record->spliced_bytes);
    add_seconds(line, "queue_s", record->queue_us);
    add_seconds(line, "connect_s", record->connect_us);
    add_seconds(line, "first_byte_s", record->first_byte_us);
    add_seconds(line, "duration_s", record->duration_us);
    add_count(line, "retries", record->retries);
    add_word(line, "path", path_text(record));
    add_seconds(line, "rtt_s", record->rtt_us);
}

static const struct session_record *record_from(const void *payload, size_t size)
{
    static_assert(sizeof(struct session_record) <= LOG_PAYLOAD_BYTES, "fits into a log record");
    assert(size == sizeof(struct session_record));
    return payload;
}

void session_record_expand_end(const void *payload, size_t size, struct log_line *line)
{
    const struct session_record *record = record_from(payload, size);

    log_line_begin(line, "session_end");
    add_identity(line, record);
    add_end(line, record);
    log_line_end(line);
}

void session_record_expand_start(const void *payload, size_t size, struct log_line *line)
{
    const struct session_record *record = record_from(payload, size);

    log_line_begin(line, "session_start");
    add_identity(line, record);
    log_line_end(line);
}
