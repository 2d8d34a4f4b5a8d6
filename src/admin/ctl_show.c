/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_show.c - tables and lines of `culvert ctl`.
 */
#include "admin/ctl_show.h"

#include <stdio.h>
#include <string.h>

#include "core/base.h"
#include "admin/table.h"

static const struct column session_columns[] = {
    {"id", "ID", COLUMN_TEXT},
    {"duration_s", "AGE", COLUMN_SECONDS},
    {"phase", "PHASE", COLUMN_TEXT},
    {"client", "CLIENT", COLUMN_TEXT},
    {"listener", "LISTENER", COLUMN_TEXT},
    {"pool", "POOL", COLUMN_TEXT},
    {"server", "SERVER", COLUMN_TEXT},
    {"upload_bytes", "UPLOAD", COLUMN_BYTES},
    {"download_bytes", "DOWNLOAD", COLUMN_BYTES},
    {"path", "PATH", COLUMN_TEXT},
    {"sni", "SNI", COLUMN_TEXT},
};

static const struct column listener_columns[] = {
    {"name", "LISTENER", COLUMN_TEXT},
    {"sessions", "SESSIONS", COLUMN_COUNT},
    {"accepted_total", "ACCEPTED", COLUMN_COUNT},
    {"rejected_total", "REJECTED", COLUMN_COUNT},
    {"upload_bytes", "UPLOAD", COLUMN_BYTES},
    {"download_bytes", "DOWNLOAD", COLUMN_BYTES},
    {"addresses", "ADDRESSES", COLUMN_LIST},
};

static const struct column server_columns[] = {
    {"pool", "POOL", COLUMN_TEXT},          {"name", "SERVER", COLUMN_TEXT},
    {"state", "STATE", COLUMN_TEXT},        {"state_s", "FOR", COLUMN_SECONDS},
    {"cause", "CAUSE", COLUMN_TEXT},        {"weight", "WEIGHT", COLUMN_COUNT},
    {"sessions", "SESSIONS", COLUMN_COUNT}, {"connects", "CONNECTS", COLUMN_TALLY},
    {"failures", "FAILURES", COLUMN_COUNT}, {"address", "ADDRESS", COLUMN_TEXT},
};

static const struct column dns_columns[] = {
    {"name", "NAME", COLUMN_TEXT},           {"state", "STATE", COLUMN_TEXT},
    {"since_s", "SINCE", COLUMN_SECONDS},    {"result", "RESULT", COLUMN_TEXT},
    {"servers", "SERVERS", COLUMN_COUNT},    {"answer_age_s", "AGE", COLUMN_SECONDS},
    {"ttl_s", "TTL", COLUMN_SECONDS},        {"next_lookup_s", "NEXT", COLUMN_SECONDS},
    {"addresses", "ADDRESSES", COLUMN_LIST},
};

static const struct column tls_columns[] = {
    {"name", "TLS", COLUMN_TEXT},
    {"role", "ROLE", COLUMN_TEXT},
    {"subject", "SUBJECT", COLUMN_TEXT},
    {"expires", "EXPIRES", COLUMN_TEXT},
    {"expires_in_s", "LEFT", COLUMN_SECONDS},
    {"loaded", "LOADED", COLUMN_TEXT},
    {"failed_total", "FAILED", COLUMN_COUNT},
};

void ctl_show_sessions(const json_t *json, bool for_people)
{
    const json_t *rows = json_object_get(json, "sessions");

    table_print(stdout, rows, session_columns, ARRAY_LENGTH(session_columns), for_people);
    if (for_people && json_is_true(json_object_get(json, "truncated")))
        printf("%zu of %lld sessions\n", json_array_size(rows),
               (long long)json_integer_value(json_object_get(json, "total")));
    if (json_is_true(json_object_get(json, "incomplete")))
        fprintf(stderr, "culvert ctl: a worker did not answer in time; its sessions are missing\n");
}

void ctl_show_listeners(const json_t *json, bool for_people)
{
    table_print(stdout, json_object_get(json, "listeners"), listener_columns,
                ARRAY_LENGTH(listener_columns), for_people);
}

/* The pools where sessions wait or have to. */
static void show_queues(const json_t *json, bool for_people)
{
    json_t *pool;
    size_t i;

    json_array_foreach(json_object_get(json, "pools"), i, pool)
    {
        bool is_paused = json_is_true(json_object_get(pool, "paused"));
        long long waiting = (long long)json_integer_value(json_object_get(pool, "waiting"));

        if (for_people && (is_paused || waiting > 0))
            printf("pool %s%s: %lld of %lld sessions wait\n",
                   json_string_value(json_object_get(pool, "name")), is_paused ? " is paused" : "",
                   waiting, (long long)json_integer_value(json_object_get(pool, "queue_size")));
    }
}

void ctl_show_dns(const json_t *json, bool for_people)
{
    table_print(stdout, json_object_get(json, "dns"), dns_columns, ARRAY_LENGTH(dns_columns),
                for_people);
}

/* One row for each server of each pool. */
void ctl_show_pools(const json_t *json, bool for_people)
{
    json_t *rows = json_array();
    json_t *pool;
    size_t i;

    show_queues(json, for_people);
    json_array_foreach(json_object_get(json, "pools"), i, pool)
    {
        json_t *server;
        size_t j;

        json_array_foreach(json_object_get(pool, "servers"), j, server)
        {
            json_object_set(server, "pool", json_object_get(pool, "name"));
            json_array_append(rows, server);
        }
    }
    table_print(stdout, rows, server_columns, ARRAY_LENGTH(server_columns), for_people);
    json_decref(rows);
}

/* One row for each certificate of each profile, or one for a profile that has none. */
void ctl_show_tls(const json_t *json, bool for_people)
{
    json_t *rows = json_array();
    json_t *profile;
    size_t i;

    json_array_foreach(json_object_get(json, "tls"), i, profile)
    {
        const json_t *certificates = json_object_get(profile, "certificates");
        json_t *about = json_copy(profile);
        json_t *certificate;
        size_t j;

        json_object_del(about, "certificates"); /* a row must not hold itself */
        if (json_array_size(certificates) == 0)
            json_array_append(rows, profile);
        json_array_foreach(certificates, j, certificate)
        {
            json_object_update_missing(certificate, about);
            json_array_append(rows, certificate);
        }
        json_decref(about);
    }
    table_print(stdout, rows, tls_columns, ARRAY_LENGTH(tls_columns), for_people);
    json_decref(rows);
}

/* A line of a key and its value: how single objects are shown. */
static void show_line(const char *key, const char *value, bool for_people)
{
    printf(for_people ? "%-15s %s\n" : "%s\t%s\n", key, value);
}

void ctl_show_object(const json_t *json, bool for_people)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)json, key, value)
    {
        size_t length = strlen(key);
        enum column_kind kind = COLUMN_TEXT;
        char buffer[256];

        if (length > 2 && strcmp(key + length - 2, "_s") == 0)
            kind = COLUMN_SECONDS;
        else if (strstr(key, "bytes") != NULL)
            kind = COLUMN_BYTES;
        else if (json_is_number(value))
            kind = COLUMN_COUNT;
        show_line(key, table_cell(value, kind, for_people, buffer, sizeof(buffer)), for_people);
    }
}

static const char *cell(const json_t *json, const char *key, enum column_kind kind, bool for_people,
                        char *buffer)
{
    return table_cell(json_object_get(json, key), kind, for_people, buffer, 256);
}

void ctl_show_status(const json_t *json, bool for_people)
{
    const json_t *limits = json_object_get(json, "limits");
    char a[256], b[256], c[256];
    const char *reason;
    json_t *count;

    printf(for_people ? "culvert %s  %s  pid %s\n" : "version\t%s\nname\t%s\npid\t%s\n",
           cell(json, "version", COLUMN_TEXT, for_people, a),
           cell(json, "name", COLUMN_TEXT, for_people, b),
           cell(json, "pid", COLUMN_COUNT, for_people, c));
    show_line("state",
              json_is_true(json_object_get(json, "draining")) ? "draining"
              : json_is_true(json_object_get(json, "ready"))  ? "ready"
                                                              : "starting",
              for_people);
    show_line("uptime", cell(json, "uptime_s", COLUMN_SECONDS, for_people, a), for_people);
    show_line("config", cell(json, "config", COLUMN_TEXT, for_people, a), for_people);
    show_line("splice", cell(json, "splice", COLUMN_TEXT, for_people, a), for_people);
    show_line("workers", cell(json, "workers", COLUMN_COUNT, for_people, a), for_people);
    show_line("sessions", cell(json, "sessions", COLUMN_COUNT, for_people, a), for_people);
    printf(for_people ? "%-15s %s (%s)\n" : "%s\t%s\nbound_by\t%s\n", "limit",
           cell(limits, "max_connections", COLUMN_COUNT, for_people, a),
           cell(limits, "bound_by", COLUMN_TEXT, for_people, b));
    show_line("accepted", cell(json, "accepted_total", COLUMN_COUNT, for_people, a), for_people);
    show_line("upload", cell(json, "upload_bytes", COLUMN_BYTES, for_people, a), for_people);
    show_line("download", cell(json, "download_bytes", COLUMN_BYTES, for_people, a), for_people);
    show_line("spliced", cell(json, "spliced_bytes", COLUMN_BYTES, for_people, a), for_people);
    if (for_people && json_object_size(json_object_get(json, "closed")) > 0)
        printf("closed\n");
    json_object_foreach(json_object_get(json, "closed"), reason, count)
    {
        char key[64];

        snprintf(key, sizeof(key), for_people ? "  %s" : "closed_%s", reason);
        printf(for_people ? "%-21s %s\n" : "%s\t%s\n", key,
               table_cell(count, COLUMN_COUNT, for_people, a, sizeof(a)));
    }
    printf("\n");
    ctl_show_listeners(json, for_people);
    printf("\n");
    ctl_show_pools(json, for_people);
}

void ctl_show_health(const json_t *json, bool for_people)
{
    static const struct column columns[] = {
        {"pool", "POOL", COLUMN_TEXT},          {"server", "SERVER", COLUMN_TEXT},
        {"state", "STATE", COLUMN_TEXT},        {"check", "CHECK", COLUMN_TEXT},
        {"type", "TYPE", COLUMN_TEXT},          {"result", "RESULT", COLUMN_TEXT},
        {"duration_s", "TOOK", COLUMN_SECONDS}, {"checked", "CHECKED", COLUMN_TEXT},
        {"cause", "CAUSE", COLUMN_TEXT},
    };

    table_print(stdout, json_object_get(json, "health"), columns, ARRAY_LENGTH(columns),
                for_people);
}

void ctl_show_ready(const json_t *json, bool for_people)
{
    (void)json;
    (void)for_people;
    printf("ready\n");
}

void ctl_show_live(const json_t *json, bool for_people)
{
    (void)json;
    (void)for_people;
    printf("live\n");
}
