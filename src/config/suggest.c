/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.c - near words, and the table of other programs' words.
 */
#include "config/suggest.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

/* A word of another program: what it is here. */
struct foreign_word {
    const char *program;
    const char *word;
    const char *section; /* where the answer's key stands; NULL: `answer` is a sentence */
    const char *answer;
};

static const struct foreign_word foreign_keys[] = {
    {"HAProxy", "maxconn", "listen", "max_connections"},
    {"HAProxy", "fullconn", NULL, "culvert's 'max_connections' is not dynamic"},
    {"HAProxy", "nbthread", "culvert", "workers"},
    {"HAProxy", "nbproc", "culvert", "workers"},
    {"HAProxy", "maxpipes", "limits", "max_pipes"},
    {"HAProxy", "maxconnrate", "limits", "connection_rate"},
    {"HAProxy", "ulimit_n", "culvert", "open_files"},
    {"HAProxy", "default_backend", "listen", "pool"},
    {"HAProxy", "use_backend", NULL, "culvert chooses a pool by [route NAME] sections"},
    {"HAProxy", "backend", "listen", "pool"},
    {"HAProxy", "mode", NULL, "culvert relays TCP; there are no modes"},
    {"HAProxy", "option", NULL, "culvert has a key of its own for each option"},
    {"HAProxy", "timeout", NULL, "culvert has idle_timeout, connect_timeout and others"},
    {"HAProxy", "timeout_client", "listen", "client_idle_timeout"},
    {"HAProxy", "timeout_server", "listen", "server_idle_timeout"},
    {"HAProxy", "timeout_connect", "pool", "connect_timeout"},
    {"HAProxy", "timeout_tunnel", "listen", "idle_timeout"},
    {"HAProxy", "timeout_queue", "pool", "queue_timeout"},
    {"HAProxy", "client_fin", "listen", "half_close_timeout"},
    {"HAProxy", "server_fin", "listen", "half_close_timeout"},
    {"HAProxy", "hard_stop_after", "culvert", "drain_timeout"},
    {"HAProxy", "grace", "culvert", "drain_delay"},
    {"HAProxy", "retries", "pool", "connect_retries"},
    {"HAProxy", "redispatch", "pool", "connect_retries"},
    {"HAProxy", "maxqueue", "pool", "queue_size"},
    {"HAProxy", "slowstart", "pool", "slow_start"},
    {"HAProxy", "check", "pool", "health"},
    {"HAProxy", "inter", "health", "interval"},
    {"HAProxy", "fastinter", "health", "fast_interval"},
    {"HAProxy", "downinter", "health", "down_interval"},
    {"HAProxy", "timeout_check", "health", "timeout"},
    {"HAProxy", "spread_checks", "health", "jitter"},
    {"HAProxy", "init_state", "health", "initial"},
    {"HAProxy", "check_send_proxy", "health", "send_proxy"},
    {"HAProxy", "check_ssl", "health", "tls"},
    {"HAProxy", "observe", "pool", "max_fails"},
    {"HAProxy", "error_limit", "pool", "max_fails"},
    {"HAProxy", "clitcpka", "listen", "keepalive"},
    {"HAProxy", "srvtcpka", "pool", "keepalive"},
    {"HAProxy", "tcpka", "defaults", "keepalive"},
    {"HAProxy", "tcp_ut", "listen", "user_timeout"},
    {"HAProxy", "splice_auto", "listen", "splice"},
    {"HAProxy", "nosplice", "listen", "splice"},
    {"HAProxy", "tcplog", "log", "access"},
    {"HAProxy", "dontlognull", "log", "access"},
    {"HAProxy", "stats", "admin", "bind"},
    {"HAProxy", "pidfile", "culvert", "pid_file"},
    {"HAProxy", "chroot", NULL, "culvert has no chroot"},
    {"HAProxy", "daemon", NULL, "culvert stays in the foreground; use systemd, a container or &"},
    {"HAProxy", "bufsize", "listen", "buffer_size"},
    {"HAProxy", "crt", "tls", "cert"},
    {"HAProxy", "crt_list", "tls", "cert_dir"},
    {"HAProxy", "ca_verify_file", "tls", "ca_file"},
    {"HAProxy", "verifyhost", "tls", "server_name"},
    {"HAProxy", "ssl_min_ver", "tls", "min_version"},
    {"HAProxy", "ssl_max_ver", "tls", "max_version"},
    {"HAProxy", "force_tlsv12", "tls", "max_version"},
    {"HAProxy", "force_tlsv13", "tls", "min_version"},
    {"HAProxy", "no_tlsv12", "tls", "min_version"},
    {"HAProxy", "no_tlsv13", "tls", "max_version"},
    {"HAProxy", "no_tls_tickets", "tls", "session_tickets"},
    {"HAProxy", "no_ssl_reuse", "tls", "session_tickets"},
    {"HAProxy", "tls_ticket_keys", "tls", "ticket_key_file"},
    {"HAProxy", "curves", "tls", "groups"},
    {"HAProxy", "ecdhe", "tls", "groups"},
    {"HAProxy", "strict_sni", "tls", "sni_mismatch"},
    {"HAProxy", "req_ssl_sni", "route", "sni"},
    {"HAProxy", "ssl_fc_sni", "route", "sni"},
    {"HAProxy", "req_ssl_alpn", "route", "alpn"},
    {"HAProxy", "inspect_delay", "listen", "preread_timeout"},
    {"HAProxy", "timeout_client_hs", "listen", "handshake_timeout"},
    {"HAProxy", "acl", NULL, "culvert has [route NAME] sections instead of acls"},
    {"nginx", "worker_processes", "culvert", "workers"},
    {"nginx", "worker_cpu_affinity", "culvert", "cpu_affinity"},
    {"nginx", "worker_connections", "limits", "max_connections"},
    {"nginx", "worker_rlimit_nofile", "culvert", "open_files"},
    {"nginx", "worker_shutdown_timeout", "culvert", "drain_timeout"},
    {"nginx", "pid", "culvert", "pid_file"},
    {"nginx", "listen", "listen", "bind"},
    {"nginx", "proxy_pass", "listen", "pool"},
    {"nginx", "upstream", "listen", "pool"},
    {"nginx", "proxy_timeout", "listen", "idle_timeout"},
    {"nginx", "proxy_connect_timeout", "pool", "connect_timeout"},
    {"nginx", "proxy_protocol", "listen", "accept_proxy"},
    {"nginx", "proxy_protocol_timeout", "listen", "preread_timeout"},
    {"nginx", "proxy_next_upstream_tries", "pool", "connect_retries"},
    {"nginx", "proxy_buffer_size", "listen", "buffer_size"},
    {"nginx", "proxy_upload_rate", "listen", "upload_rate"},
    {"nginx", "proxy_download_rate", "listen", "download_rate"},
    {"nginx", "proxy_socket_keepalive", "pool", "keepalive"},
    {"nginx", "proxy_bind", "pool", "source"},
    {"nginx", "so_keepalive", "listen", "keepalive"},
    {"nginx", "tcp_nodelay", "listen", "nodelay"},
    {"nginx", "least_conn", "pool", "balance"},
    {"nginx", "max_conns", "pool", "max_connections"},
    {"nginx", "limit_conn", "limits", "max_connections_per_ip"},
    {"nginx", "ssl_preread", "route", "sni"},
    {"nginx", "ssl_preread_server_name", "route", "sni"},
    {"nginx", "ssl_preread_alpn_protocols", "route", "alpn"},
    {"nginx", "ssl", "listen", "tls"},
    {"nginx", "ssl_certificate", "tls", "cert"},
    {"nginx", "ssl_certificate_key", "tls", "key"},
    {"nginx", "ssl_password_file", NULL, "culvert reads keys without a passphrase only"},
    {"nginx", "ssl_protocols", "tls", "min_version"},
    {"nginx", "ssl_ciphers", "tls", "ciphers"},
    {"nginx", "ssl_ecdh_curve", "tls", "groups"},
    {"nginx", "ssl_conf_command", "tls", "ciphersuites"},
    {"nginx", "ssl_client_certificate", "tls", "ca_file"},
    {"nginx", "ssl_trusted_certificate", "tls", "ca_file"},
    {"nginx", "ssl_verify_client", "tls", "verify"},
    {"nginx", "ssl_crl", "tls", "crl_file"},
    {"nginx", "ssl_alpn", "tls", "alpn"},
    {"nginx", "ssl_reject_handshake", "tls", "sni_mismatch"},
    {"nginx", "ssl_session_tickets", "tls", "session_tickets"},
    {"nginx", "ssl_session_ticket_key", "tls", "ticket_key_file"},
    {"nginx", "ssl_session_timeout", "tls", "session_timeout"},
    {"nginx", "ssl_session_cache", "tls", "session_tickets"},
    {"nginx", "ssl_stapling_file", "tls", "ocsp_file"},
    {"nginx", "ssl_stapling", "tls", "ocsp_file"},
    {"nginx", "ssl_handshake_timeout", "listen", "handshake_timeout"},
    {"nginx", "ssl_key_log", "tls", "keylog_file"},
    {"nginx", "ssl_dhparam", NULL, "culvert has no DHE parameters; OpenSSL chooses its groups"},
    {"nginx", "proxy_ssl", "pool", "tls"},
    {"nginx", "proxy_ssl_name", "tls", "server_name"},
    {"nginx", "proxy_ssl_server_name", "tls", "server_name"},
    {"nginx", "proxy_ssl_verify", "tls", "verify"},
    {"nginx", "proxy_ssl_trusted_certificate", "tls", "ca_file"},
    {"nginx", "proxy_ssl_certificate", "tls", "cert"},
    {"nginx", "proxy_ssl_certificate_key", "tls", "key"},
    {"nginx", "proxy_ssl_session_reuse", "tls", "session_tickets"},
    {"nginx", "set_real_ip_from", "listen", "trusted_proxies"},
    {"nginx", "access_log", "log", "access_output"},
    {"nginx", "error_log", "log", "output"},
    {"Envoy", "lb_policy", "pool", "balance"},
    {"Envoy", "address", "listen", "bind"},
    {"Envoy", "cluster", "listen", "pool"},
    {"Envoy", "endpoints", "pool", "server"},
    {"Envoy", "concurrency", "culvert", "workers"},
    {"Envoy", "max_connect_attempts", "pool", "connect_retries"},
    {"Envoy", "max_downstream_connection_duration", "listen", "max_lifetime"},
    {"Envoy", "max_connection_duration", "listen", "max_lifetime"},
    {"Envoy", "per_connection_buffer_limit_bytes", "listen", "buffer_size"},
    {"Envoy", "outlier_detection", "pool", "max_fails"},
    {"Envoy", "healthy_threshold", "health", "rise"},
    {"Envoy", "unhealthy_threshold", "health", "fall"},
    {"Envoy", "expected_statuses", "health", "status"},
    {"Envoy", "health_checks", "pool", "health"},
    {"Envoy", "source_prefix_ranges", "route", "source"},
    {"Envoy", "server_names", "route", "sni"},
    {"Envoy", "application_protocols", "route", "alpn"},
    {"Envoy", "transport_socket", "pool", "tls"},
    {"Envoy", "certificate_chain", "tls", "cert"},
    {"Envoy", "private_key", "tls", "key"},
    {"Envoy", "trusted_ca", "tls", "ca_file"},
    {"Envoy", "validation_context", "tls", "ca_file"},
    {"Envoy", "match_typed_subject_alt_names", "tls", "allow_san"},
    {"Envoy", "require_client_certificate", "tls", "verify"},
    {"Envoy", "tls_minimum_protocol_version", "tls", "min_version"},
    {"Envoy", "tls_maximum_protocol_version", "tls", "max_version"},
    {"Envoy", "cipher_suites", "tls", "ciphers"},
    {"Envoy", "ecdh_curves", "tls", "groups"},
    {"Envoy", "alpn_protocols", "tls", "alpn"},
    {"Envoy", "session_ticket_keys", "tls", "ticket_key_file"},
    {"Envoy", "ocsp_staple", "tls", "ocsp_file"},
    {"ghostunnel", "keystore", "tls", "cert"},
    {"ghostunnel", "cacert", "tls", "ca_file"},
    {"ghostunnel", "allow_cn", "tls", "allow_san"},
    {"ghostunnel", "allow_dns", "tls", "allow_san"},
    {"ghostunnel", "allow_uri", "tls", "allow_san"},
    {"ghostunnel", "verify_uri", "tls", "allow_san"},
    {"ghostunnel", "override_server_name", "tls", "server_name"},
    {"stunnel", "cafile", "tls", "ca_file"},
    {"stunnel", "crlfile", "tls", "crl_file"},
    {"stunnel", "checkhost", "tls", "server_name"},
    {"stunnel", "verifychain", "tls", "verify"},
    {"stunnel", "verifypeer", "tls", "verify"},
    {"stunnel", "sslversionmin", "tls", "min_version"},
    {"stunnel", "sslversionmax", "tls", "max_version"},
    {"stunnel", "accept", "listen", "bind"},
    {"stunnel", "connect", "listen", "server"},
};

static const struct foreign_word foreign_sections[] = {
    {"HAProxy", "global", NULL, "[culvert]"},    {"HAProxy", "frontend", NULL, "[listen NAME]"},
    {"HAProxy", "backend", NULL, "[pool NAME]"}, {"nginx", "upstream", NULL, "[pool NAME]"},
    {"nginx", "server", NULL, "[listen NAME]"},  {"nginx", "stream", NULL, "[listen NAME]"},
    {"nginx", "events", NULL, "[culvert]"},      {"Envoy", "listener", NULL, "[listen NAME]"},
    {"Envoy", "cluster", NULL, "[pool NAME]"},   {"pgbouncer", "databases", NULL, "[pool NAME]"},
};

/* The nearest word so far. */
struct guess {
    size_t distance;
    const struct option *option;
    const struct foreign_word *foreign;
};

static bool takes_key(enum section_kind section, const struct option *option)
{
    if (section == SECTION_DEFAULTS)
        return option->in_defaults;
    return option->section == section;
}

/* The nearest key that stands in `section`, or (`elsewhere`) in any other. */
static struct guess nearest_key(enum section_kind section, const char *key, bool elsewhere)
{
    struct guess best = {.distance = SIZE_MAX};

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        size_t distance;

        if (takes_key(section, option) == elsewhere)
            continue;
        if (text_is_near(key, option->key, &distance) && distance < best.distance)
            best = (struct guess){.distance = distance, .option = option};
    }
    return best;
}

static struct guess nearest_foreign(const struct foreign_word *words, size_t count,
                                    const char *word)
{
    struct guess best = {.distance = SIZE_MAX};

    for (size_t i = 0; i < count; i++) {
        size_t distance;

        if (text_is_near(word, words[i].word, &distance) && distance < best.distance)
            best = (struct guess){.distance = distance, .foreign = &words[i]};
    }
    return best;
}

/* The sections that take this key, as "[listen NAME] or [pool NAME]". */
static void places_of(const char *key, struct text *text)
{
    char form[32];
    bool is_first = true;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(option_table[i].key, key) != 0)
            continue;
        text_append_format(text, "%s%s", is_first ? "" : " or ",
                           section_form(option_table[i].section, form, sizeof(form)));
        is_first = false;
    }
}

static void append_foreign(struct text *text, enum section_kind section,
                           const struct foreign_word *foreign)
{
    char form[32];

    if (foreign->section == NULL) {
        text_append_format(text, "%s", foreign->answer);
        return;
    }
    text_append_format(text, "%s's %s is '%s'", foreign->program, foreign->word, foreign->answer);
    enum section_kind place = section_kind_of(foreign->section);
    if (place != section && !(section == SECTION_DEFAULTS && option_is_default(foreign->answer)))
        text_append_format(text, " of %s", section_form(place, form, sizeof(form)));
    text_append(text, " in culvert");
}

const char *suggest_key(enum section_kind section, const char *where, const char *key, char *buffer,
                        size_t size)
{
    struct text text = text_over(buffer, size);
    struct guess here = nearest_key(section, key, false);
    struct guess elsewhere = nearest_key(section, key, true);
    struct guess foreign = nearest_foreign(foreign_keys, ARRAY_LENGTH(foreign_keys), key);

    /* nginx's "listen" in [listen NAME] is our "bind", although [route NAME] has a "listen". */
    bool is_foreign_here = foreign.distance == 0 && foreign.foreign->section != NULL &&
                           section_kind_of(foreign.foreign->section) == section;

    if (elsewhere.distance == 0 && section != SECTION_KINDS && !is_foreign_here) {
        text_append_format(&text, "'%s' belongs in ", key);
        places_of(key, &text);
        text_append_format(&text, ", not in %s", where);
        return buffer;
    }
    text_append_format(&text, "unknown key '%s'", key);
    if (where != NULL)
        text_append_format(&text, " in %s", where);
    if (foreign.distance == 0) {
        text_append(&text, "; ");
        append_foreign(&text, section, foreign.foreign);
    } else if (here.option != NULL) {
        text_append_format(&text, "; did you mean '%s'?", here.option->key);
    } else if (elsewhere.option != NULL) {
        text_append_format(&text, "; did you mean '%s' of ", elsewhere.option->key);
        places_of(elsewhere.option->key, &text);
        text_append(&text, "?");
    } else if (foreign.foreign != NULL) {
        text_append(&text, "; ");
        append_foreign(&text, section, foreign.foreign);
    }
    return buffer;
}

const char *suggest_section(const char *type, char *buffer, size_t size)
{
    struct text text = text_over(buffer, size);
    struct guess foreign = nearest_foreign(foreign_sections, ARRAY_LENGTH(foreign_sections), type);
    size_t best = SIZE_MAX;
    const char *word = NULL;

    text_append_format(&text, "unknown section [%s]", type);
    for (size_t i = 0; i < SECTION_KINDS; i++) {
        size_t distance;

        if (text_is_near(type, section_table[i].word, &distance) && distance < best) {
            best = distance;
            word = section_table[i].word;
        }
    }
    if (foreign.foreign != NULL && foreign.distance < best)
        text_append_format(&text, "; %s's %s is %s in culvert", foreign.foreign->program,
                           foreign.foreign->word, foreign.foreign->answer);
    else if (word != NULL)
        text_append_format(&text, "; did you mean [%s]?", word);
    return buffer;
}

const char *suggest_word(const char *words, const char *word, char *buffer, size_t size)
{
    size_t best = SIZE_MAX;
    size_t length = 0;
    const char *candidate;

    buffer[0] = '\0';
    for (unsigned i = 0; (candidate = word_at(words, i, &length)) != NULL; i++) {
        char copy[64];
        size_t distance;

        snprintf(copy, sizeof(copy), "%.*s", (int)length, candidate);
        if (text_is_near(word, copy, &distance) && distance < best) {
            best = distance;
            snprintf(buffer, size, "; did you mean '%s'?", copy);
        }
    }
    return buffer;
}
