/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c - the families one after the other; docs/reference/metrics.md lists them.
 */
#include "admin/metrics.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "pool/pool.h"
#include "pool/server_change.h"
#include "relay/close_reason.h"
#include "relay/source_table.h"
#include "admin/dns_view.h"
#include "admin/exposition.h"
#include "admin/health_view.h"
#include "admin/http_api.h"
#include "admin/process_stats.h"
#include "admin/tls_view.h"
#include "admin/totals.h"

/* Where one scrape gets its numbers and puts its lines. */
struct scrape {
    const struct admin_view *view;
    const struct snapshot *snapshot;
    const struct totals *totals;
    struct exposition out;
};

/* ---- the process -------------------------------------------------------------------------- */

static void add_build_info(struct scrape *scrape)
{
    const struct labels labels = {{{"version", scrape->view->version},
                                   {"libevent", event_get_version()},
                                   {"name", scrape->snapshot->process.name}}};

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_build_info",
                      "Always 1; the labels say what runs.");
    exposition_count(&scrape->out, &labels, 1);
}

static void add_state(struct scrape *scrape)
{
    const struct admin_view *view = scrape->view;

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_ready",
                      "1 while new sessions are served.");
    exposition_count(&scrape->out, NULL, view->is_ready && !view->is_draining);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_draining",
                      "1 while culvert waits for its sessions to end.");
    exposition_count(&scrape->out, NULL, view->is_draining);
}

static void add_process(struct scrape *scrape)
{
    struct process_stats stats;

    process_stats_read(&stats);
    exposition_family(&scrape->out, METRIC_COUNTER, "process_cpu_seconds",
                      "User and system CPU time in seconds.");
    exposition_real(&scrape->out, NULL, stats.cpu_seconds);
    exposition_family(&scrape->out, METRIC_GAUGE, "process_resident_memory_bytes",
                      "Resident memory in bytes.");
    exposition_count(&scrape->out, NULL, stats.resident_bytes);
    exposition_family(&scrape->out, METRIC_GAUGE, "process_virtual_memory_bytes",
                      "Virtual memory in bytes.");
    exposition_count(&scrape->out, NULL, stats.virtual_bytes);
    exposition_family(&scrape->out, METRIC_GAUGE, "process_open_fds", "Open file descriptors.");
    exposition_count(&scrape->out, NULL, stats.open_fds);
    exposition_family(&scrape->out, METRIC_GAUGE, "process_max_fds",
                      "Most file descriptors the process may have.");
    exposition_count(&scrape->out, NULL, stats.max_fds);
    exposition_family(&scrape->out, METRIC_GAUGE, "process_start_time_seconds",
                      "When the process started, in seconds since 1970.");
    exposition_real(&scrape->out, NULL, (double)scrape->view->started_wall_us / 1e6);
}

/* ---- listeners ---------------------------------------------------------------------------- */

static void add_accepts(struct scrape *scrape)
{
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_connections_accepted",
                      "Connections accepted from clients.");
    for (unsigned i = 0; i < scrape->snapshot->listener_count; i++) {
        const struct labels labels = {{{"listener", scrape->snapshot->listeners[i].name}}};

        exposition_count(&scrape->out, &labels,
                         counter_get(&scrape->totals->counters.listeners[i].accepted));
    }
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_connections_rejected",
                      "Connections refused before they became a session.");
    for (unsigned i = 0; i < scrape->snapshot->listener_count; i++) {
        const struct counter *rejected = scrape->totals->counters.listeners[i].rejected;

        for (int why = 0; why < REJECTED_COUNT; why++) {
            const struct labels labels = {{{"listener", scrape->snapshot->listeners[i].name},
                                           {"reason", rejection_word((enum rejection)why)}}};

            exposition_count(&scrape->out, &labels, counter_get(&rejected[why]));
        }
    }
}

static void add_sessions(struct scrape *scrape)
{
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_sessions",
                      "Live sessions by the phase they are in.");
    for (unsigned i = 0; i < scrape->snapshot->listener_count; i++) {
        const struct counter *phases = scrape->totals->counters.listeners[i].sessions;

        for (int phase = 0; phase < PHASE_COUNT; phase++) {
            const struct labels labels = {{{"listener", scrape->snapshot->listeners[i].name},
                                           {"phase", phase_word((enum phase)phase)}}};

            exposition_count(&scrape->out, &labels, counter_get(&phases[phase]));
        }
    }
}

static void add_durations(struct scrape *scrape)
{
    exposition_family(&scrape->out, METRIC_HISTOGRAM, "culvert_session_duration_seconds",
                      "How long ended sessions lasted, from accept to close.");
    for (unsigned i = 0; i < scrape->snapshot->listener_count; i++) {
        const struct duration_histogram *histogram =
            &scrape->totals->counters.listeners[i].duration;
        const struct labels labels = {{{"listener", scrape->snapshot->listeners[i].name}}};

        exposition_histogram(&scrape->out, &labels, duration_bucket_us, DURATION_BUCKETS,
                             histogram->bucket, counter_get(&histogram->sum_us));
    }
}

/* ---- listener and pool -------------------------------------------------------------------- */

static struct labels tally_labels(const struct scrape *scrape, unsigned number, const char *name,
                                  const char *value)
{
    const struct tally *tally = &scrape->snapshot->tallies[number];
    const struct labels labels = {
        {{"listener", scrape->snapshot->listeners[tally->listener_index].name},
         {"pool", tally->pool_index < 0 ? "" : scrape->snapshot->pools[tally->pool_index].name},
         {name, value}}};

    return labels;
}

static void add_closes(struct scrape *scrape)
{
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_sessions_closed",
                      "Ended sessions by close reason.");
    for (unsigned i = 0; i < scrape->snapshot->tally_count; i++) {
        for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
            const struct labels labels =
                tally_labels(scrape, i, "reason", close_reason_word((enum close_reason)reason));

            exposition_count(&scrape->out, &labels,
                             counter_get(&scrape->totals->counters.tallies[i].closed[reason]));
        }
    }
}

static void add_bytes(struct scrape *scrape)
{
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_bytes",
                      "Bytes relayed, counted as they move.");
    for (unsigned i = 0; i < scrape->snapshot->tally_count; i++) {
        const struct tally_counters *tally = &scrape->totals->counters.tallies[i];
        struct labels labels = tally_labels(scrape, i, "direction", "upload");

        exposition_count(&scrape->out, &labels, counter_get(&tally->upload_bytes));
        labels = tally_labels(scrape, i, "direction", "download");
        exposition_count(&scrape->out, &labels, counter_get(&tally->download_bytes));
    }
    exposition_family(
        &scrape->out, METRIC_COUNTER, "culvert_relayed_bytes",
        "Bytes relayed by the way they took: spliced in the kernel, copied, or through TLS.");
    exposition_count(&scrape->out, &(const struct labels){{{"path", "splice"}}},
                     counter_get(&scrape->totals->counters.spliced_bytes));
    exposition_count(&scrape->out, &(const struct labels){{{"path", "copy"}}},
                     counter_get(&scrape->totals->counters.copied_bytes));
    exposition_count(&scrape->out, &(const struct labels){{{"path", "tls"}}},
                     counter_get(&scrape->totals->counters.tls_bytes));
}

/* ---- pools -------------------------------------------------------------------------------- */

static void add_latency(struct scrape *scrape, const struct latency_histogram *histogram,
                        const struct pool *pool)
{
    const struct labels labels = {{{"pool", pool->name}}};

    exposition_histogram(&scrape->out, &labels, latency_bucket_us, LATENCY_BUCKETS,
                         histogram->bucket, counter_get(&histogram->sum_us));
}

static void add_pools(struct scrape *scrape)
{
    const struct pool *pools = scrape->snapshot->pools;
    const struct pool_counters *counters = scrape->totals->counters.pools;

    exposition_family(&scrape->out, METRIC_HISTOGRAM, "culvert_connect_duration_seconds",
                      "Time to connect to a server, of successful attempts.");
    for (unsigned i = 0; i < scrape->snapshot->pool_count; i++)
        add_latency(scrape, &counters[i].connect, &pools[i]);
    exposition_family(&scrape->out, METRIC_HISTOGRAM, "culvert_first_byte_seconds",
                      "Time from the connect to the server's first byte.");
    for (unsigned i = 0; i < scrape->snapshot->pool_count; i++)
        add_latency(scrape, &counters[i].first_byte, &pools[i]);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_queue_length",
                      "Sessions that wait for a place on a server, or for the pool's resume.");
    for (unsigned i = 0; i < scrape->snapshot->pool_count; i++)
        exposition_count(&scrape->out, &(const struct labels){{{"pool", pools[i].name}}},
                         pool_queue_length(&pools[i]));
    exposition_family(&scrape->out, METRIC_HISTOGRAM, "culvert_queue_wait_seconds",
                      "How long sessions waited in the queue, whether they were served or not.");
    for (unsigned i = 0; i < scrape->snapshot->pool_count; i++)
        add_latency(scrape, &counters[i].queue_wait, &pools[i]);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_pool_paused",
                      "1 while the pool holds new sessions in its queue.");
    for (unsigned i = 0; i < scrape->snapshot->pool_count; i++)
        exposition_count(&scrape->out, &(const struct labels){{{"pool", pools[i].name}}},
                         pool_is_paused(&pools[i]));
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_connect_retries",
                      "Connects tried again with another server.");
    for (unsigned i = 0; i < scrape->snapshot->pool_count; i++) {
        const struct labels labels = {{{"pool", pools[i].name}}};

        exposition_count(&scrape->out, &labels, counter_get(&counters[i].retries));
    }
}

/* ---- servers ------------------------------------------------------------------------------ */

typedef void (*add_server)(struct scrape *scrape, const struct pool *pool,
                           const struct server *server);

static void for_each_server(struct scrape *scrape, add_server add)
{
    for (unsigned i = 0; i < scrape->snapshot->pool_count; i++) {
        const struct pool *pool = &scrape->snapshot->pools[i];

        for (unsigned j = 0; j < pool->server_count; j++) {
            if (server_is_shown(pool->servers[j]))
                add(scrape, pool, pool->servers[j]);
        }
    }
}

static struct labels server_labels(const struct pool *pool, const struct server *server,
                                   const char *name, const char *value)
{
    const struct labels labels = {{{"pool", pool->name}, {"server", server->name}, {name, value}}};

    return labels;
}

static void add_connects(struct scrape *scrape, const struct pool *pool,
                         const struct server *server)
{
    struct server_counters counters;

    server_counters_sum(server, &counters);
    for (int result = 0; result < CONNECT_RESULT_COUNT; result++) {
        const struct labels labels =
            server_labels(pool, server, "result", connect_result_word((enum connect_result)result));

        exposition_count(&scrape->out, &labels, counter_get(&counters.connects[result]));
    }
}

static void add_up(struct scrape *scrape, const struct pool *pool, const struct server *server)
{
    const struct labels labels = server_labels(pool, server, NULL, NULL);

    exposition_count(&scrape->out, &labels, server_is_usable(server));
}

static void add_weight(struct scrape *scrape, const struct pool *pool, const struct server *server)
{
    const struct labels labels = server_labels(pool, server, NULL, NULL);

    exposition_count(&scrape->out, &labels,
                     (uint64_t)atomic_load_explicit(&server->weight, memory_order_relaxed));
}

static void add_active(struct scrape *scrape, const struct pool *pool, const struct server *server)
{
    const struct labels labels = server_labels(pool, server, NULL, NULL);

    exposition_count(&scrape->out, &labels,
                     (uint64_t)atomic_load_explicit(&server->active, memory_order_relaxed));
}

static void add_states(struct scrape *scrape, const struct pool *pool, const struct server *server)
{
    enum server_state now = server_state_of(server);

    for (int state = 0; state < SERVER_STATE_COUNT; state++) {
        const struct labels labels =
            server_labels(pool, server, "state", server_state_word((enum server_state)state));

        exposition_count(&scrape->out, &labels, now == (enum server_state)state);
    }
}

/* The changes that there can be, but for those by sessions' connects. */
static const struct {
    enum server_cause cause;
    enum server_state to;
} changes[] = {
    {SERVER_CAUSE_CHECK, SERVER_STATE_UP},    {SERVER_CAUSE_CHECK, SERVER_STATE_DOWN},
    {SERVER_CAUSE_DNS, SERVER_STATE_UP},      {SERVER_CAUSE_DNS, SERVER_STATE_DOWN},
    {SERVER_CAUSE_ADMIN, SERVER_STATE_UP},    {SERVER_CAUSE_ADMIN, SERVER_STATE_DOWN},
    {SERVER_CAUSE_ADMIN, SERVER_STATE_DRAIN}, {SERVER_CAUSE_ADMIN, SERVER_STATE_MAINT},
};

static void add_transitions(struct scrape *scrape, const struct pool *pool,
                            const struct server *server)
{
    struct server_counters counters;
    struct labels labels = {
        {{"pool", pool->name}, {"server", server->name}, {"to", "ejected"}, {"cause", "passive"}}};

    server_counters_sum(server, &counters);
    exposition_count(&scrape->out, &labels, counter_get(&counters.ejections));
    labels.pair[2].value = "up";
    exposition_count(&scrape->out, &labels, counter_get(&counters.returns));
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        labels.pair[2].value = server_state_word(changes[i].to);
        labels.pair[3].value = server_cause_word(changes[i].cause);
        exposition_count(&scrape->out, &labels, server->changes[changes[i].cause][changes[i].to]);
    }
}

static void add_servers(struct scrape *scrape)
{
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_connects",
                      "Attempts to connect to a server, by result.");
    for_each_server(scrape, add_connects);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_server_up",
                      "1 while the server may be chosen.");
    for_each_server(scrape, add_up);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_server_weight",
                      "Weight of the server in its pool.");
    for_each_server(scrape, add_weight);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_server_sessions",
                      "Sessions that hold a place on the server.");
    for_each_server(scrape, add_active);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_server_state",
                      "1 for the state the server is in, 0 for the others.");
    for_each_server(scrape, add_states);
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_server_transitions",
                      "Changes of a server's state, by what caused them.");
    for_each_server(scrape, add_transitions);
}

/* ---- TLS ---------------------------------------------------------------------------------- */

/* Who makes handshakes: listeners with clients, pools with servers. */
typedef void (*add_handshakes)(struct scrape *scrape, const char *side, const char *owner,
                               const struct handshake_counters *counters);

static void for_each_owner(struct scrape *scrape, add_handshakes add)
{
    const struct snapshot *snapshot = scrape->snapshot;
    const struct relay_counters *counters = &scrape->totals->counters;

    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        if (snapshot->listeners[i].terminates_tls)
            add(scrape, "client", snapshot->listeners[i].name, &counters->listeners[i].handshakes);
    }
    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        if (snapshot->pools[i].options.tls != NULL)
            add(scrape, "server", snapshot->pools[i].name, &counters->pools[i].handshakes);
    }
}

static void add_handshake_results(struct scrape *scrape, const char *side, const char *owner,
                                  const struct handshake_counters *counters)
{
    struct labels labels = {{{"side", side}, {"owner", owner}, {"result", "ok"}, {"version", ""}}};

    for (int tls = SESSION_TLS_1_2; tls < SESSION_TLS_COUNT; tls++) {
        labels.pair[3].value = session_tls_word((enum session_tls)tls);
        exposition_count(&scrape->out, &labels, counter_get(&counters->done[tls]));
    }
    labels.pair[3].value = "";
    labels.pair[2].value = "failed";
    exposition_count(&scrape->out, &labels, counter_get(&counters->failed));
    labels.pair[2].value = "timeout";
    exposition_count(&scrape->out, &labels, counter_get(&counters->timed_out));
}

static void add_handshake_times(struct scrape *scrape, const char *side, const char *owner,
                                const struct handshake_counters *counters)
{
    const struct labels labels = {{{"side", side}, {"owner", owner}}};

    exposition_histogram(&scrape->out, &labels, latency_bucket_us, LATENCY_BUCKETS,
                         counters->took.bucket, counter_get(&counters->took.sum_us));
}

static void add_resumptions(struct scrape *scrape, const char *side, const char *owner,
                            const struct handshake_counters *counters)
{
    const struct labels labels = {{{"side", side}, {"owner", owner}}};

    exposition_count(&scrape->out, &labels, counter_get(&counters->resumed));
}

/* Loads of all profiles of that name: a section has one for each role it is used in. The first
   profile speaks for all. */
static void add_reloads(struct scrape *scrape, unsigned number)
{
    const struct snapshot *snapshot = scrape->snapshot;
    const char *name = tls_profile_name(snapshot->tls_profiles[number]);
    uint64_t succeeded = 0;
    uint64_t failed = 0;
    struct labels labels = {{{"tls", name}, {"result", "ok"}}};

    for (unsigned i = 0; i < snapshot->tls_profile_count; i++) {
        if (strcmp(tls_profile_name(snapshot->tls_profiles[i]), name) != 0)
            continue;
        if (i < number)
            return;
        succeeded += scrape->view->tls_loads[i].succeeded;
        failed += scrape->view->tls_loads[i].failed;
    }
    exposition_count(&scrape->out, &labels, succeeded);
    labels.pair[1].value = "failed";
    exposition_count(&scrape->out, &labels, failed);
}

static void add_tls(struct scrape *scrape)
{
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_tls_handshakes",
                      "TLS handshakes with clients (owner: the listener) and servers (the pool).");
    for_each_owner(scrape, add_handshake_results);
    exposition_family(&scrape->out, METRIC_HISTOGRAM, "culvert_tls_handshake_duration_seconds",
                      "How long TLS handshakes took that succeeded.");
    for_each_owner(scrape, add_handshake_times);
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_tls_resumptions",
                      "TLS handshakes that resumed an earlier session.");
    for_each_owner(scrape, add_resumptions);
    exposition_family(&scrape->out, METRIC_GAUGE,
                      "culvert_tls_certificate_expiry_timestamp_seconds",
                      "When a certificate expires, in seconds since 1970; of several of one name, "
                      "the first to expire.");
    tls_view_add_expiries(&scrape->out, scrape->snapshot);
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_tls_reloads",
                      "Loads of changed certificates, keys and authorities.");
    for (unsigned i = 0; i < scrape->snapshot->tls_profile_count; i++)
        add_reloads(scrape, i);
}

/* ---- maps of names ------------------------------------------------------------------------ */

static void add_name_maps(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_sni_map_names",
                      "Names of a listener's sni_map.");
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];
        const struct labels labels = {{{"listener", listener->name}}};

        if (listener->sni_source != NULL)
            exposition_count(&scrape->out, &labels, listener->sni_source->name_count);
    }
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_sni_map_reloads",
                      "Loads of changed sni_maps.");
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];
        struct labels labels = {{{"listener", listener->name}, {"result", "ok"}}};

        if (listener->sni_source == NULL)
            continue;
        exposition_count(&scrape->out, &labels, listener->sni_source->succeeded);
        labels.pair[1].value = "failed";
        exposition_count(&scrape->out, &labels, listener->sni_source->failed);
    }
}

/* ---- lists of addresses ------------------------------------------------------------------- */

static void add_address_lists(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->snapshot;
    const struct source_table *sources = scrape->view->shared->sources;

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_tracked_ips",
                      "Sources that are remembered for the limits per IP.");
    exposition_count(&scrape->out, NULL, source_table_count(sources));
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_tracked_ips_forgotten",
                      "Sources with sessions that had to be forgotten because there were more than "
                      "tracked_ips.");
    exposition_count(&scrape->out, NULL, source_table_forgotten(sources));

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_address_list_prefixes",
                      "Prefixes of a list of addresses (allow, deny, trusted_proxies).");
    for (unsigned i = 0; i < snapshot->address_source_count; i++) {
        const struct address_source *source = snapshot->address_sources[i];
        const struct labels labels = {{{"section", source->section}, {"key", source->key}}};

        exposition_count(&scrape->out, &labels, source->prefix_count);
    }
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_address_list_reloads",
                      "Loads of changed files of addresses.");
    for (unsigned i = 0; i < snapshot->address_source_count; i++) {
        const struct address_source *source = snapshot->address_sources[i];
        struct labels labels = {
            {{"section", source->section}, {"key", source->key}, {"result", "ok"}}};

        exposition_count(&scrape->out, &labels, source->changed);
        labels.pair[2].value = "failed";
        exposition_count(&scrape->out, &labels, source->failed);
    }
}

/* ---- resources ---------------------------------------------------------------------------- */

static void add_memory(struct scrape *scrape)
{
    const struct worker_shared *shared = scrape->view->shared;
    const struct worker_gauges *gauges = &scrape->totals->gauges;

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_buffer_bytes",
                      "Memory of buffers that hold bytes in flight.");
    exposition_count(&scrape->out, NULL, gauges->buffer_bytes);
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_buffer_limit_bytes",
                      "Most memory all buffers together may take.");
    exposition_count(&scrape->out, NULL, shared->buffers.limit_bytes);
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_buffer_waits",
                      "Times a flow stood still because the buffer memory was spent.");
    exposition_count(&scrape->out, NULL, counter_get(&scrape->totals->counters.buffer_waits));
    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_pipes",
                      "Kernel pipes: used by a flow, or idle in a cache.");
    exposition_count(&scrape->out, &(const struct labels){{{"state", "used"}}}, gauges->pipes_lent);
    exposition_count(&scrape->out, &(const struct labels){{{"state", "idle"}}}, gauges->pipes_idle);
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_pipes_denied",
                      "Times a flow had to copy because no pipe could be had.");
    exposition_count(&scrape->out, NULL, gauges->pipes_denied);
}

static void add_workers(struct scrape *scrape)
{
    const struct worker_shared *shared = scrape->view->shared;

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_worker_sessions",
                      "Live sessions of each worker.");
    for (unsigned i = 0; i < shared->worker_count; i++) {
        char number[16];
        const struct labels labels = {{{"worker", number}}};

        snprintf(number, sizeof(number), "%u", i);
        exposition_count(&scrape->out, &labels, (uint64_t)worker_sessions(shared->workers[i]));
    }
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_session_wakeups",
                      "Times an event of a session was handled.");
    exposition_count(&scrape->out, NULL, counter_get(&scrape->totals->counters.wakeups));
}

static void add_limits(struct scrape *scrape)
{
    const struct labels labels = {{{"bound_by", scrape->view->limit_bound_by}}};

    exposition_family(&scrape->out, METRIC_GAUGE, "culvert_limit_sessions",
                      "Most sessions at once, and what sets that limit.");
    exposition_count(&scrape->out, &labels, (uint64_t)scrape->view->shared->max_connections);
}

static void add_troubles(struct scrape *scrape)
{
    static const char *const words[] = {"EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"};
    const struct admin_view *view = scrape->view;
    const struct worker_gauges *gauges = &scrape->totals->gauges;

    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_log_records_dropped",
                      "Log records dropped because a ring was full.");
    exposition_count(&scrape->out, NULL,
                     view->log_dropped != NULL ? view->log_dropped(view->log_argument) : 0);
    exposition_family(&scrape->out, METRIC_COUNTER, "culvert_accept_errors",
                      "Failures of accept(2), by errno.");
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        exposition_count(&scrape->out, &(const struct labels){{{"errno", words[i]}}},
                         gauges->accept_errors[i]);
    exposition_count(&scrape->out, &(const struct labels){{{"errno", "other"}}},
                     gauges->accept_errors_other);
}

void metrics_handle(const struct question *question, struct answer *answer)
{
    struct totals totals;
    struct scrape scrape = {
        .view = question->view,
        .snapshot = question->view->snapshot,
        .totals = &totals,
        .out = {.out = answer->body,
                .is_open_metrics = exposition_wants_open_metrics(question->accept)},
    };

    if (!totals_init(&totals, question->view)) {
        answer_error(answer, 503, NULL, "out of memory");
        return;
    }
    add_build_info(&scrape);
    add_state(&scrape);
    add_process(&scrape);
    add_accepts(&scrape);
    add_sessions(&scrape);
    add_durations(&scrape);
    add_closes(&scrape);
    add_bytes(&scrape);
    add_pools(&scrape);
    add_servers(&scrape);
    health_view_add_metrics(&scrape.out, question->view);
    add_tls(&scrape);
    add_name_maps(&scrape);
    add_address_lists(&scrape);
    dns_view_add_metrics(&scrape.out, scrape.view->discovery);
    add_memory(&scrape);
    add_workers(&scrape);
    add_limits(&scrape);
    add_troubles(&scrape);
    exposition_end(&scrape.out);
    answer->status = 200;
    answer->content_type = exposition_content_type(&scrape.out);
    totals_release(&totals);
}
