/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_pool.c - pools and servers as the configuration names them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/snapshot_pool.h"

static struct snapshot *build(const char *text)
{
    struct config *config = load_good(text);
    struct snapshot *snapshot = config_snapshot(config);

    assert_non_null(snapshot);
    /* The snapshot stands alone. */
    config_destroy(config);
    return snapshot;
}

static void test_pools(void **state)
{
    struct snapshot *snapshot =
        build("[defaults]\nbalance = first\n"
              "[listen web]\nbind = :0\npool = app\n[listen own]\nbind = :0\nserver = 127.0.0.1:9\n"
              "[pool app]\nserver = a 10.0.0.1:80 weight=3 max_connections=4\n"
              "server = b unix:/run/x backup drain\nserver = 10.0.0.3:80 disabled\n"
              "balance = roundrobin\nmax_fails = off\nfail_timeout = 7s\nconnect_timeout = 8s\n"
              "connect_retries = 9\nmax_connections = 6\nkeepalive = off\ndescription = d\n");
    const struct pool *app = &snapshot->pools[0];
    const struct pool *own = &snapshot->pools[1];

    (void)state;
    assert_int_equal(snapshot->pool_count, 2);
    assert_string_equal(app->name, "app");
    assert_string_equal(app->description, "d");
    assert_int_equal(app->options.balance, BALANCE_ROUNDROBIN);
    assert_int_equal(app->options.max_fails, 0);
    assert_int_equal(app->options.fail_timeout_ms, 7000);
    assert_int_equal(app->options.connect_timeout_ms, 8000);
    assert_int_equal(app->options.connect_retries, 9);
    assert_int_equal(app->options.socket.keepalive_ms, 0);
    assert_int_equal(app->server_count, 3);
    assert_int_equal(app->servers[0]->weight, 3);
    assert_int_equal(app->servers[0]->max_connections, 4);
    assert_int_equal(app->servers[0]->admin, SERVER_ADMIN_UP);
    assert_int_equal(app->servers[1]->max_connections, 6);
    assert_true(app->servers[1]->is_backup);
    assert_int_equal(app->servers[1]->admin, SERVER_ADMIN_DRAIN);
    assert_string_equal(app->servers[1]->addr.path, "/run/x");
    assert_ptr_equal(app->servers[1]->addr.path, app->servers[1]->path);
    assert_int_equal(app->servers[2]->admin, SERVER_ADMIN_MAINT);
    assert_int_equal(app->servers[2]->position, 2);
    /* The anonymous pool has the name of its listener, and what [defaults] say. */
    assert_string_equal(own->name, "own");
    assert_int_equal(own->index, 1);
    assert_int_equal(own->options.balance, BALANCE_FIRST);
    assert_int_equal(own->options.max_fails, 3);
    snapshot_unref(snapshot);
}

static void test_how_a_server_is_chosen(void **state)
{
    struct snapshot *snapshot = build(
        "[listen web]\nbind = :0\npool = app\n[listen own]\nbind = :0\nserver = 127.0.0.1:9\n"
        "[pool app]\nserver = a 10.0.0.1:80\nserver = b 10.0.0.2:80 backup\nbalance = maglev\n"
        "hash_key = destination\nmaglev_size = 5003\nslow_start = 3s\nfail_open = yes\n");
    const struct pool_options *app = &snapshot->pools[0].options;
    const struct pool_options *own = &snapshot->pools[1].options;
    const struct pool_members *members = snapshot->pools[0].members;

    (void)state;
    assert_int_equal(app->balance, BALANCE_MAGLEV);
    assert_int_equal(app->hash_key, HASH_DESTINATION);
    assert_int_equal(app->maglev_size, 5003);
    assert_int_equal(app->slow_start_ms, 3000);
    assert_true(app->fail_open);
    /* A table for each tier. */
    assert_int_equal(members->tier_count, 2);
    assert_int_equal(members->tiers[0].maglev.size, 5003);
    assert_int_equal(members->tiers[1].maglev.size, 5003);
    assert_int_equal(own->balance, BALANCE_LEASTCONN);
    assert_int_equal(own->hash_key, HASH_SOURCE);
    assert_int_equal(own->slow_start_ms, 0);
    assert_false(own->fail_open);
    assert_null(((const struct pool_members *)snapshot->pools[1].members)->tiers[0].maglev.slots);
    snapshot_unref(snapshot);
}

static void test_names_of_servers_to_verify(void **state)
{
    struct snapshot *snapshot = build("[listen x]\nbind = :0\npool = a\n"
                                      "[pool a]\nserver = db.example.com:1 10.0.0.1:2 [::1]:3 "
                                      "unix:/x 10.0.0.2:4 server_name=e.example.com\n");
    struct server *const *servers = snapshot->pools[0].servers;

    (void)state;
    assert_string_equal(snapshot->sources[0].model.tls_name, "db.example.com");
    assert_string_equal(servers[0]->tls_name, "10.0.0.1");
    assert_string_equal(servers[1]->tls_name, "::1");
    assert_null(servers[2]->tls_name);
    assert_string_equal(servers[3]->tls_name, "e.example.com");
    snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_how_a_server_is_chosen),
        cmocka_unit_test(test_names_of_servers_to_verify),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
