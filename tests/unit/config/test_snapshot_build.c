/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_build.c - every setting arrives in the snapshot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "config/fixture.h"
#include "config/snapshot_build.h"

static struct snapshot *build(const char *text)
{
    struct config *config = load_good(text);
    struct snapshot *snapshot = config_snapshot(config);

    assert_non_null(snapshot);
    /* The snapshot stands alone. */
    config_destroy(config);
    return snapshot;
}

static void test_a_listener(void **state)
{
    struct snapshot *snapshot = build(
        "[listen web]\nbind = :80 unix:/run/x unix:@y\nserver = 127.0.0.1:9\nno_route = close\n"
        "max_connections = 9\nidle_timeout = 1s\nclient_idle_timeout = 2s\n"
        "server_idle_timeout = 3s\nhalf_close_timeout = 4s\nstall_timeout = 5s\nmax_lifetime = 6s\n"
        "lifetime_jitter = 7%\non_reset = fin\nsplice = off\npipe_size = 512k\nbuffer_size = 16k\n"
        "nodelay = no\nkeepalive = 8s\nkeepalive_interval = 9s\nkeepalive_probes = 10\n"
        "user_timeout = 11s\nsend_buffer = 12k\nreceive_buffer = 13k\nbacklog = 14\n"
        "socket_mode = 0600\nsocket_group = root\nreuse_port = yes\nv6_only = yes\nfreebind = yes\n"
        "defer_accept = 15s\nwhen_down = close\naccess = off\ndescription = the web\n");
    const struct listener_config *listener = &snapshot->listeners[0];
    const struct listen_options *options = &listener->listen;

    (void)state;
    assert_string_equal(listener->name, "web");
    assert_string_equal(listener->description, "the web");
    assert_int_equal(listener->bind_count, 3);
    assert_int_equal(listener->binds[0].family, AF_INET6);
    assert_null(listener->bind_paths[0]);
    assert_string_equal(listener->binds[1].path, "/run/x");
    assert_ptr_equal(listener->binds[1].path, listener->bind_paths[1]);
    assert_true(listener->binds[2].is_abstract);
    assert_int_equal(listener->no_route, REFUSE_CLOSE);
    assert_int_equal(listener->when_down, REFUSE_CLOSE);
    assert_int_equal(listener->max_connections, 9);
    assert_int_equal(listener->idle_timeout_ms, 1000);
    assert_int_equal(listener->client_idle_timeout_ms, 2000);
    assert_int_equal(listener->server_idle_timeout_ms, 3000);
    assert_int_equal(listener->half_close_timeout_ms, 4000);
    assert_int_equal(listener->stall_timeout_ms, 5000);
    assert_int_equal(listener->max_lifetime_ms, 6000);
    assert_int_equal(listener->lifetime_jitter_percent, 7);
    assert_true(listener->reset_as_fin);
    assert_false(listener->splice);
    assert_int_equal(snapshot->process.pipe_size, 512 << 10);
    assert_int_equal(listener->buffer_size, 16384);
    assert_false(options->socket.nodelay);
    assert_int_equal(options->socket.keepalive_ms, 8000);
    assert_int_equal(options->socket.keepalive_interval_ms, 9000);
    assert_int_equal(options->socket.keepalive_probes, 10);
    assert_int_equal(options->socket.user_timeout_ms, 11000);
    assert_int_equal(options->socket.send_buffer, 12 << 10);
    assert_int_equal(options->socket.receive_buffer, 13 << 10);
    assert_int_equal(options->backlog, 14);
    assert_int_equal(options->socket_mode, 0600);
    assert_int_equal(options->socket_group, 0);
    assert_true(options->reuse_port);
    assert_true(options->v6_only);
    assert_true(options->freebind);
    assert_int_equal(options->defer_accept_ms, 15000);
    assert_int_equal(listener->access, ACCESS_OFF);
    snapshot_unref(snapshot);
}

static void test_a_listener_by_default(void **state)
{
    struct snapshot *snapshot = build(MINIMAL);
    const struct listener_config *listener = &snapshot->listeners[0];

    (void)state;
    assert_int_equal(listener->no_route, REFUSE_RESET);
    assert_int_equal(listener->idle_timeout_ms, 3600000);
    assert_int_equal(listener->client_idle_timeout_ms, 0);
    assert_int_equal(listener->half_close_timeout_ms, 60000);
    assert_int_equal(listener->lifetime_jitter_percent, 10);
    assert_false(listener->reset_as_fin);
    assert_true(listener->splice);
    assert_int_equal(listener->buffer_size, 65536);
    assert_true(listener->listen.socket.nodelay);
    assert_int_equal(listener->listen.socket.keepalive_ms, 60000);
    assert_int_equal(listener->listen.socket.user_timeout_ms, 120000);
    assert_int_equal(listener->listen.socket.send_buffer, 0);
    assert_int_equal(listener->listen.backlog, 4096);
    assert_int_equal(listener->listen.socket_mode, 0660);
    assert_int_equal(listener->listen.socket_group, (gid_t)-1);
    assert_int_equal(listener->access, ACCESS_ALL);
    assert_null(listener->description);
    snapshot_unref(snapshot);
}

static struct route_choice choose(const struct snapshot *snapshot, unsigned listener,
                                  const char *client)
{
    struct addr addr = {0};

    assert_true(addr_parse_ip(client, strlen(client), &addr));
    return router_choose(snapshot->listeners[listener].router,
                         &(struct route_client){.addr = &addr});
}

static void test_routes_and_tallies(void **state)
{
    struct snapshot *snapshot =
        build("[listen off]\nbind = :0\npool = c\nenabled = no\n"
              "[listen x]\nbind = :0\npool = b\n[listen y]\nbind = :0\n"
              "[pool a]\nserver = 10.0.0.1:1\n[pool b]\nserver = 10.0.0.1:2\n"
              "[pool c]\nserver = 10.0.0.1:3\n"
              "[route one]\nlisten = x y off\nsource = 10.0.0.0/8 ::1\npool = a\n"
              "[route two]\nlisten = x\nsource = 10.1.0.0/16\naction = reject\n"
              "[route three]\nlisten = x\nsource = 192.0.2.0/24\npool = a\n");
    const struct listener_config *x = &snapshot->listeners[0];
    const struct listener_config *y = &snapshot->listeners[1];

    (void)state;
    assert_int_equal(snapshot->listener_count, 2);
    assert_string_equal(choose(snapshot, 0, "10.9.9.9").pool->name, "a");
    assert_null(choose(snapshot, 0, "10.1.9.9").pool);
    assert_string_equal(choose(snapshot, 0, "10.1.9.9").route->name, "two");
    assert_string_equal(choose(snapshot, 0, "172.16.0.1").pool->name, "b");
    assert_null(choose(snapshot, 1, "172.16.0.1").pool);
    assert_string_equal(choose(snapshot, 1, "::1").pool->name, "a");
    /* Each listener: refused, and each pool that can be reached, once. */
    assert_int_equal(x->tally_count, 3);
    assert_int_equal(y->tally_count, 2);
    assert_int_equal(snapshot->tally_count, 5);
    assert_int_equal(snapshot_tally(snapshot, x, NULL), x->first_tally);
    for (unsigned i = 0; i < snapshot->tally_count; i++) {
        const struct tally *tally = &snapshot->tallies[i];
        const struct pool *pool =
            tally->pool_index < 0 ? NULL : &snapshot->pools[tally->pool_index];

        assert_int_equal(
            snapshot_tally(snapshot, &snapshot->listeners[tally->listener_index], pool), i);
    }
    snapshot_unref(snapshot);
}

static const char *pool_for(const struct snapshot *snapshot, const char *sni, const char *alpn)
{
    struct addr addr = {.family = AF_INET};
    struct route_client client = {.addr = &addr, .has_hello = true, .sni = sni, .alpn = alpn};

    client.alpn_size = strlen(alpn);
    const struct pool *pool = router_choose(snapshot->listeners[0].router, &client).pool;
    return pool == NULL ? "" : pool->name;
}

static void test_routes_by_name_and_protocol(void **state)
{
    write_file("names.map", "map.example.com c\nb.example.com c\n*.b.example.com c\n");
    struct snapshot *snapshot =
        build("[listen x]\nbind = :0\nsni_map = names.map\npool = d\nno_route = alert\n"
              "preread_timeout = 2s\nhandshake_timeout = 3s\nstarttls = postgres\n"
              "[listen y]\nbind = :0\npool = d\n[defaults]\nno_route = alert\n"
              "[pool a]\nserver = 10.0.0.1:1\n[pool b]\nserver = 10.0.0.1:2\n"
              "[pool c]\nserver = 10.0.0.1:3\n[pool d]\nserver = 10.0.0.1:4\n"
              "[route one]\nlisten = x\nsni = A.example.com *.a.example.com\npool = a\n"
              "[route two]\nlisten = x\nsni = b.example.com\nalpn = h2 x\npool = b\n"
              "[route three]\nlisten = x\nsni = -\npool = b\n"
              "[route four]\nlisten = x\nsni = b.example.com\nsource = 10.0.0.0/8\n"
              "action = reject\n");
    const struct listener_config *x = &snapshot->listeners[0];
    const struct listener_config *y = &snapshot->listeners[1];

    (void)state;
    assert_string_equal(pool_for(snapshot, "a.example.com", ""), "a");
    assert_string_equal(pool_for(snapshot, "www.a.example.com", ""), "a");
    assert_string_equal(pool_for(snapshot, "b.example.com", "\002h2"), "b");
    assert_string_equal(pool_for(snapshot, "b.example.com", "\001y"), "c");
    assert_string_equal(pool_for(snapshot, "map.example.com", ""), "c");
    assert_string_equal(pool_for(snapshot, "www.b.example.com", ""), "c");
    assert_string_equal(pool_for(snapshot, "", ""), "b");
    assert_string_equal(pool_for(snapshot, "else.example.com", ""), "d");
    assert_true(x->peeks_hello);
    assert_int_equal(x->no_route, REFUSE_ALERT);
    assert_int_equal(x->starttls, STARTTLS_POSTGRES);
    assert_int_equal(x->preread_timeout_ms, 2000);
    assert_int_equal(x->handshake_timeout_ms, 3000);
    assert_int_equal(x->tally_count, 5);
    /* What speaks no TLS gets no alert, and is not made to wait for a ClientHello. */
    assert_false(y->peeks_hello);
    assert_int_equal(y->no_route, REFUSE_RESET);
    assert_int_equal(y->starttls, STARTTLS_OFF);
    assert_int_equal(y->preread_timeout_ms, 5000);
    assert_int_equal(y->handshake_timeout_ms, 10000);
    assert_null(y->tls);
    assert_int_equal(snapshot->tls_profile_count, 0);
    snapshot_unref(snapshot);
}

static void test_a_name_that_decides_is_read_before(void **state)
{
    struct snapshot *snapshot = build(
        "[listen a]\nbind = :0\npool = by-name\n[listen b]\nbind = :0\npool = by-source\n"
        "[listen c]\nbind = :0\npool = by-source\n[route r]\nlisten = c\nsource = 10.0.0.0/8\n"
        "pool = by-name\n[listen d]\nbind = :0\npool = other\n"
        "[pool by-name]\nserver = 127.0.0.1:9\nbalance = maglev\nhash_key = sni\n"
        "[pool by-source]\nserver = 127.0.0.1:9\nbalance = maglev\n"
        "[pool other]\nserver = 127.0.0.1:9\n");

    (void)state;
    assert_true(snapshot->listeners[0].peeks_hello);
    assert_false(snapshot->listeners[1].peeks_hello);
    assert_true(snapshot->listeners[2].peeks_hello);
    assert_false(snapshot->listeners[3].peeks_hello);
    snapshot_unref(snapshot);
}

static void test_ten_thousand_routes_load_within_a_second(void **state)
{
    struct timespec start;
    struct timespec end;
    FILE *file = fopen("big.ini", "w");

    (void)state;
    /* A mebibyte is the most one file may have: five of them. */
    fprintf(file, "[culvert]\ninclude = routes-*.ini\n[listen web]\nbind = :0\n");
    for (int i = 0; i < 100; i++)
        fprintf(file, "[pool p%d]\nserver = 10.0.0.1:%d\n", i, i + 1);
    fclose(file);
    for (int part = 0; part < 5; part++) {
        char name[32];

        snprintf(name, sizeof(name), "routes-%d.ini", part);
        file = fopen(name, "w");
        for (int i = 2000 * part; i < 2000 * (part + 1); i++)
            fprintf(file, "[route r%d]\nlisten = web\nsource = 10.%d.%d.0/24\npool = p%d\n", i,
                    i / 256, i % 256, i % 100);
        fclose(file);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    struct config *config = load_file("big.ini");
    assert_true(config_is_valid(config));
    struct snapshot *snapshot = config_snapshot(config);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_int_equal(snapshot->route_count, 10000);
    assert_int_equal(snapshot->listeners[0].tally_count, 101);
    assert_string_equal(choose(snapshot, 0, "10.39.15.7").route->name, "r9999");
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const double most = 10;
#else
    const double most = 1;
#endif
    print_message("10,000 routes: %.3f s of processor time\n", seconds);
    assert_true(seconds < most);
    config_destroy(config);
    snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_listener),
        cmocka_unit_test(test_a_listener_by_default),
        cmocka_unit_test(test_routes_and_tallies),
        cmocka_unit_test(test_routes_by_name_and_protocol),
        cmocka_unit_test(test_a_name_that_decides_is_read_before),
        cmocka_unit_test(test_ten_thousand_routes_load_within_a_second),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
