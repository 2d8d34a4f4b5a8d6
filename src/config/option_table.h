/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_table.h - every section and key there is.
 *
 * The table is the one place for types, ranges, defaults and help. It drives parsing, the dump,
 * `culvert explain`, near words in messages, and the reference page.
 */
#ifndef CULVERT_CONFIG_OPTION_TABLE_H
#define CULVERT_CONFIG_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

enum section_kind {
    SECTION_CULVERT,
    SECTION_LIMITS,
    SECTION_LOG,
    SECTION_ADMIN,
    SECTION_METRICS,
    SECTION_DEFAULTS, /* its keys are those of [listen] and [pool] with `in_defaults` */
    SECTION_LISTEN,
    SECTION_ROUTE,
    SECTION_POOL,
    SECTION_TLS,
    SECTION_HEALTH,
    SECTION_DNS,
    /* Sections of later versions: known, and refused. */
    SECTION_FAULT,
    SECTION_MIRROR,
    SECTION_DISCOVERY,
    SECTION_KINDS,
};

struct section_info {
    const char *word;
    bool has_name;
    bool is_later;
    const char *help;
};

extern const struct section_info section_table[SECTION_KINDS];

/* What the text of a value means; the accepted forms are in value.h. */
enum value_type {
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DURATION,
    VALUE_SIZE,
    VALUE_PERCENT,
    VALUE_MODE, /* octal file permissions */
    VALUE_STRING,
    VALUE_PATH,
    VALUE_GLOB, /* a path that may contain wildcards */
    VALUE_ENUM,
    VALUE_ADDR,
    VALUE_IP, /* an address without a port */
    VALUE_SERVER,
    VALUE_PREFIX,
    VALUE_REF,
    VALUE_SNI_MAP, /* a file of names and pools */
    VALUE_SNI,     /* a name that clients ask for, *.NAME, or - */
    VALUE_ALPN,    /* a protocol's name (RFC 7301) */
    VALUE_SAN,     /* a pattern for what a certificate names */
    VALUE_BYTES,   /* text with any byte in it, in double quotes */
    VALUE_RANGE,   /* 200 or 200-399 */
    VALUE_RATE,    /* so many a second */
};

/* What a reload will do with a changed value. */
enum reload_class {
    RELOAD_LIVE,  /* applies to everything at once */
    RELOAD_NEW,   /* applies to new sessions */
    RELOAD_BIND,  /* opens the socket again */
    RELOAD_START, /* needs a restart */
};

/* Grouped by section; within a section in the order of the reference. */
enum option_id {
    CULVERT_NAME,
    CULVERT_INCLUDE,
    CULVERT_WORKERS,
    CULVERT_CPU_AFFINITY,
    CULVERT_USER,
    CULVERT_GROUP,
    CULVERT_PID_FILE,
    CULVERT_OPEN_FILES,
    CULVERT_DRAIN_TIMEOUT,
    CULVERT_DRAIN_DELAY,
    CULVERT_DRAIN_MODE,
    CULVERT_UPGRADE_TIMEOUT,
    CULVERT_SANDBOX,
    CULVERT_DESCRIPTION,

    LIMITS_MAX_CONNECTIONS,
    LIMITS_MAX_CONNECTIONS_PER_IP,
    LIMITS_CONNECTION_RATE,
    LIMITS_CONNECTION_RATE_PER_IP,
    LIMITS_IPV6_PREFIX,
    LIMITS_ON_LIMIT,
    LIMITS_BUFFER_MEMORY,
    LIMITS_MAX_PIPES,
    LIMITS_TRACKED_IPS,

    LOG_OPTION_LEVEL,
    LOG_OPTION_FORMAT,
    LOG_OPTION_OUTPUT,
    LOG_OPTION_COLOR,
    LOG_OPTION_TIMESTAMPS,
    LOG_OPTION_ACCESS,
    LOG_OPTION_ACCESS_OUTPUT,
    LOG_OPTION_ACCESS_FORMAT,
    LOG_OPTION_ACCESS_START,
    LOG_OPTION_ACCESS_INTERVAL,
    LOG_OPTION_CLIENT_IP,
    LOG_OPTION_SYSLOG_FACILITY,
    LOG_OPTION_SYSLOG_TAG,
    LOG_OPTION_QUEUE,

    ADMIN_SOCKET,
    ADMIN_SOCKET_MODE,
    ADMIN_SOCKET_GROUP,
    ADMIN_BIND,
    ADMIN_DASHBOARD,
    ADMIN_WRITE,
    ADMIN_TOKEN_FILE,
    ADMIN_ALLOW,
    ADMIN_HOSTS,
    ADMIN_TLS,
    ADMIN_HISTORY,
    ADMIN_MAX_SESSIONS_LISTED,

    METRICS_BIND,
    METRICS_PER_SERVER,
    METRICS_DURATION_BUCKETS,
    METRICS_LATENCY_BUCKETS,

    LISTEN_BIND,
    LISTEN_POOL,
    LISTEN_SERVER,
    LISTEN_TLS,
    LISTEN_STARTTLS,
    LISTEN_NO_ROUTE,
    LISTEN_SNI_MAP,
    LISTEN_ACCEPT_PROXY,
    LISTEN_TRUSTED_PROXIES,
    LISTEN_ALLOW,
    LISTEN_DENY,
    LISTEN_DENY_ACTION,
    LISTEN_MAX_CONNECTIONS,
    LISTEN_MAX_CONNECTIONS_PER_IP,
    LISTEN_CONNECTION_RATE,
    LISTEN_CONNECTION_RATE_PER_IP,
    LISTEN_UPLOAD_RATE,
    LISTEN_DOWNLOAD_RATE,
    LISTEN_PREREAD_TIMEOUT,
    LISTEN_HANDSHAKE_TIMEOUT,
    LISTEN_IDLE_TIMEOUT,
    LISTEN_IDLE_POLICY,
    LISTEN_CLIENT_IDLE_TIMEOUT,
    LISTEN_SERVER_IDLE_TIMEOUT,
    LISTEN_HALF_CLOSE_TIMEOUT,
    LISTEN_STALL_TIMEOUT,
    LISTEN_MAX_LIFETIME,
    LISTEN_LIFETIME_JITTER,
    LISTEN_ON_RESET,
    LISTEN_SPLICE,
    LISTEN_PIPE_SIZE,
    LISTEN_BUFFER_SIZE,
    LISTEN_NODELAY,
    LISTEN_KEEPALIVE,
    LISTEN_KEEPALIVE_INTERVAL,
    LISTEN_KEEPALIVE_PROBES,
    LISTEN_USER_TIMEOUT,
    LISTEN_SEND_BUFFER,
    LISTEN_RECEIVE_BUFFER,
    LISTEN_BACKLOG,
    LISTEN_SOCKET_MODE,
    LISTEN_SOCKET_GROUP,
    LISTEN_REUSE_PORT,
    LISTEN_V6_ONLY,
    LISTEN_FREEBIND,
    LISTEN_TRANSPARENT,
    LISTEN_DEFER_ACCEPT,
    LISTEN_FAST_OPEN,
    LISTEN_WHEN_DOWN,
    LISTEN_ACCESS,
    LISTEN_ENABLED,
    LISTEN_DESCRIPTION,

    ROUTE_LISTEN,
    ROUTE_SNI,
    ROUTE_ALPN,
    ROUTE_SOURCE,
    ROUTE_POOL,
    ROUTE_ACTION,
    ROUTE_TLS,
    ROUTE_DESCRIPTION,

    POOL_SERVER,
    POOL_BALANCE,
    POOL_HASH_KEY,
    POOL_MAGLEV_SIZE,
    POOL_HEALTH,
    POOL_MAX_FAILS,
    POOL_FAIL_TIMEOUT,
    POOL_FAIL_OPEN,
    POOL_SLOW_START,
    POOL_CONNECT_TIMEOUT,
    POOL_CONNECT_RETRIES,
    POOL_MAX_CONNECTIONS,
    POOL_QUEUE_SIZE,
    POOL_QUEUE_TIMEOUT,
    POOL_ON_DOWN,
    POOL_ON_REMOVE,
    POOL_TLS,
    POOL_SEND_PROXY,
    POOL_SEND_PROXY_TLVS,
    POOL_SOURCE,
    POOL_TRANSPARENT,
    POOL_DISCOVERY_MIN,
    POOL_NODELAY,
    POOL_KEEPALIVE,
    POOL_KEEPALIVE_INTERVAL,
    POOL_KEEPALIVE_PROBES,
    POOL_USER_TIMEOUT,
    POOL_SEND_BUFFER,
    POOL_RECEIVE_BUFFER,
    POOL_DESCRIPTION,

    TLS_OPTION_CERT,
    TLS_OPTION_KEY,
    TLS_OPTION_CERT_DIR,
    TLS_OPTION_SNI_MISMATCH,
    TLS_OPTION_CA_FILE,
    TLS_OPTION_VERIFY,
    TLS_OPTION_SERVER_NAME,
    TLS_OPTION_ALLOW_SAN,
    TLS_OPTION_ALLOW_SPKI,
    TLS_OPTION_CRL_FILE,
    TLS_OPTION_MIN_VERSION,
    TLS_OPTION_MAX_VERSION,
    TLS_OPTION_CIPHERS,
    TLS_OPTION_CIPHERSUITES,
    TLS_OPTION_GROUPS,
    TLS_OPTION_ALPN,
    TLS_OPTION_SESSION_TICKETS,
    TLS_OPTION_TICKET_KEY_FILE,
    TLS_OPTION_SESSION_TIMEOUT,
    TLS_OPTION_OCSP_FILE,
    TLS_OPTION_TRUNCATION,
    TLS_OPTION_KTLS,
    TLS_OPTION_KEYLOG_FILE,
    TLS_OPTION_RELOAD_INTERVAL,

    HEALTH_TYPE,
    HEALTH_INTERVAL,
    HEALTH_FAST_INTERVAL,
    HEALTH_DOWN_INTERVAL,
    HEALTH_TIMEOUT,
    HEALTH_RISE,
    HEALTH_FALL,
    HEALTH_JITTER,
    HEALTH_PORT,
    HEALTH_SEND,
    HEALTH_EXPECT,
    HEALTH_PATH,
    HEALTH_HOST,
    HEALTH_STATUS,
    HEALTH_TLS,
    HEALTH_SEND_PROXY,
    HEALTH_CLOSE,
    HEALTH_INITIAL,
    DNS_SERVERS,
    DNS_TIMEOUT,
    DNS_ATTEMPTS,
    DNS_MIN_TTL,
    DNS_MAX_TTL,
    DNS_FAILURE_RETRY,
    DNS_STALE,
    DNS_PREFER,
    DNS_SEARCH,

    OPTION_COUNT,
};

struct option {
    enum section_kind section;
    const char *key;
    enum value_type type;
    bool is_list;
    bool in_defaults; /* may also stand in [defaults] */
    bool is_required;
    bool is_later;     /* the feature comes with a later version: only "nothing" is accepted */
    bool is_bytes;     /* VALUE_RATE: of bytes, whose k is 1024 as in a size */
    bool is_percent;   /* VALUE_SIZE: may also be a share of the memory, "25%" */
    int64_t least;     /* VALUE_INT, VALUE_SIZE (bytes), VALUE_PERCENT; VALUE_DURATION (us) */
    int64_t most;      /* 0: the type's own limit */
    const char *words; /* VALUE_ENUM: the choices; else words accepted beside the form ("auto") */
    const char *later_words;     /* choices of a later version */
    enum section_kind refers_to; /* VALUE_REF */
    bool may_be_path;            /* VALUE_REF: a path stands for an unnamed section */
    const char *fallback;        /* as it would be written; NULL: not set */
    const char *fallback_note;   /* what happens when it is not set, for the reference */
    enum reload_class reload;
    const char *help;
    const char *peers; /* the same thing's name elsewhere, or NULL */
    const char *example;
};

extern const struct option option_table[OPTION_COUNT];

/* The options of a section are [first, first + count). Zero for sections without a row. */
void section_options(enum section_kind kind, enum option_id *first, size_t *count);

/* The kind of section with this word; SECTION_KINDS when there is none. */
enum section_kind section_kind_of(const char *word);

/* The option of a section with this key; NULL when there is none. */
const struct option *option_find(enum section_kind section, const char *key);

/* Whether `key` may stand in [defaults]. */
bool option_is_default(const char *key);

static inline enum option_id option_id_of(const struct option *option)
{
    return (enum option_id)(option - option_table);
}

/* "[listen NAME]" or "[limits]"; returns `buffer`. */
const char *section_form(enum section_kind kind, char *buffer, size_t size);

/* The words of one of the types, for people: "duration", "list of addresses". */
const char *option_type_text(const struct option *option, char *buffer, size_t size);

/* The word number `index` of a list of words separated by blanks; its length in `length`, NULL
   beyond the last. */
const char *word_at(const char *words, unsigned index, size_t *length);

/* The place of `word` in a list of words, or -1. */
int word_index(const char *words, const char *word);

const char *reload_class_text(enum reload_class reload);

#endif
