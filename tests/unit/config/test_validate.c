/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate.c - references, what is missing, and what contradicts itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

static void test_references_lead_somewhere(void **state)
{
    (void)state;
    expect("[listen web]\nbind = :0\npool = ap\n[pool api]\nserver = 127.0.0.1:9\n",
           "3:8: error: [listen web] wants pool 'ap'; did you mean 'api' (culvert.ini:4)?");
    expect("[listen web]\nbind = :0\npool = nowhere\n",
           "3:8: error: [listen web] wants pool 'nowhere'; there is no [pool nowhere]");
    expect(MINIMAL "[route r]\nlisten = wbe\npool = p\n[pool p]\nserver = 127.0.0.1:9\n",
           "5:10: error: [route r] wants listen 'wbe'; did you mean 'web' (culvert.ini:1)?");
    expect(MINIMAL "[route r]\nlisten = web\npool = p\n",
           "6:8: error: [route r] wants pool 'p'; there is no [pool p]");
}

static void test_what_is_missing(void **state)
{
    (void)state;
    expect("[listen web]\nserver = 127.0.0.1:9\n",
           "1:1: error: [listen web] needs 'bind', such as bind = ");
    expect("[listen web]\nbind = :0\n",
           "1:1: error: [listen web] needs 'pool', 'server', 'sni_map' or a [route "
           "NAME] that names it");
    expect(MINIMAL "[pool p]\nbalance = first\n", "4:1: error: [pool p] needs 'server', such as");
    expect(MINIMAL "[route r]\npool = p\n[pool p]\nserver = 127.0.0.1:9\n",
           "4:1: error: [route r] needs 'listen', such as");
    expect(MINIMAL "[route r]\nlisten = web\n",
           "4:1: error: [route r] needs 'pool', or 'action = reject'");
    expect("[log]\nlevel = info\n", "culvert: error: there is no [listen NAME]: nothing to do");
    expect(MINIMAL "enabled = no\n", "1:1: error: no listener is enabled: nothing to do");
}

static void test_a_wrong_value_is_not_also_missing(void **state)
{
    (void)state;
    expect("[listen web]\nbind = :x\nserver = 127.0.0.1:9\n", "1 error, 0 warnings");
    expect("[listen web]\nbind = :0\nservr = 127.0.0.1:9\n", "1 error, 0 warnings");
    expect("[listen web]\nbind = :0\nserver = 127.0.0.1\n", "1 error, 0 warnings");
    expect("[listen web]\nbind = :0\npool = ${T_NO_SUCH}\n", "1 error, 0 warnings");
}

static void test_a_listener_may_have_routes_alone(void **state)
{
    (void)state;
    config_destroy(load_good("[listen web]\nbind = :0\n[route r]\nlisten = web\npool = p\n"
                             "[pool p]\nserver = 127.0.0.1:9\n"));
    config_destroy(load_good(MINIMAL "[route r]\nlisten = web\nsource = 10.0.0.0/8\n"
                                     "action = reject\n"));
}

static void test_contradictions(void **state)
{
    (void)state;
    expect(MINIMAL "pool = p\n[pool p]\nserver = 127.0.0.1:9\n",
           "3:1: error: [listen web] has both 'pool' and 'server'");
    expect(MINIMAL "[pool web]\nserver = 127.0.0.1:9\n",
           "3:1: error: the servers of [listen web] make a pool of that name");
    expect(MINIMAL "[route r]\nlisten = web\naction = reject\npool = p\nsource = ::/0\n"
                   "[pool p]\nserver = 127.0.0.1:9\n",
           "7:1: error: a route that rejects has no pool");
}

static void test_servers_of_a_pool_have_different_names(void **state)
{
    (void)state;
    expect("[listen web]\nbind = :0\nserver = a 127.0.0.1:1\nserver = a 127.0.0.1:2\n",
           "4:10: error: server 'a' is there twice in [listen web] (first at culvert.ini:3)");
    expect("[listen web]\nbind = :0\nserver = 127.0.0.1:1 127.0.0.1:1\n",
           "3:22: error: server '127.0.0.1:1' is there twice");
}

static void test_users_and_groups_exist(void **state)
{
    (void)state;
    expect("[culvert]\nuser = no-such-user\n" MINIMAL,
           "2:8: error: there is no user 'no-such-user'");
    expect("[culvert]\ngroup = no-such-group\n" MINIMAL,
           "2:9: error: there is no group 'no-such-group'");
    expect("[admin]\nsocket_group = no-such-group\n" MINIMAL, "there is no group 'no-such-group'");
    expect(MINIMAL "socket_group = no-such-group\n", "there is no group 'no-such-group'");
}

static void test_timeouts_that_defeat_each_other_are_warnings(void **state)
{
    (void)state;
    expect(MINIMAL "user_timeout = 10s\n",
           "4:16: warning: [listen web]: user_timeout 10s is not above stall_timeout 60s");
    expect(MINIMAL "stall_timeout = 5m\n",
           "1:1: warning: [listen web]: user_timeout 2m is not above stall_timeout 5m");
    config_destroy(load_good(MINIMAL "stall_timeout = 5m\nuser_timeout = off\n"));
    config_destroy(load_good(MINIMAL "stall_timeout = off\nuser_timeout = 1s\n"));
    expect("[listen web]\nbind = :80\npool = app\n"
           "[pool app]\nserver = 10.0.0.1:80\nuser_timeout = 10s\n",
           "6:16: warning: [pool app]: user_timeout 10s is not above stall_timeout 60s of [listen "
           "web], so the kernel ends a stalled session first");
    expect(
        "[listen web]\nbind = :80\nstall_timeout = 5m\nuser_timeout = off\n"
        "[route all]\nlisten = web\npool = app\n[pool app]\nserver = 10.0.0.1:80\n",
        "8:1: warning: [pool app]: user_timeout 2m is not above stall_timeout 5m of [listen web]");
    config_destroy(load_good("[listen web]\nbind = :80\npool = app\nuser_timeout = 3m\n"
                             "[pool app]\nserver = 10.0.0.1:80\n"));
}

static void test_an_unused_pool_is_a_warning(void **state)
{
    (void)state;
    expect(MINIMAL "[pool p]\nserver = 127.0.0.1:9\n",
           "4:1: warning: [pool p] is used by no listener and no route");
    expect(MINIMAL "[pool p]\nserver = 127.0.0.1:9\n", "0 errors, 1 warning\n");
}

static void test_too_many_servers(void **state)
{
    static char text[200000];
    size_t length = (size_t)snprintf(text, sizeof(text), "[listen web]\nbind = :0\n");

    (void)state;
    for (int i = 0; i <= 4096; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "server = 10.0.%d.%d:1\n",
                                   i / 256, i % 256);
    expect(text, "error: [listen web] has 4097 servers; the most is 4096");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_lead_somewhere),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_a_wrong_value_is_not_also_missing),
        cmocka_unit_test(test_a_listener_may_have_routes_alone),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_servers_of_a_pool_have_different_names),
        cmocka_unit_test(test_users_and_groups_exist),
        cmocka_unit_test(test_timeouts_that_defeat_each_other_are_warnings),
        cmocka_unit_test(test_an_unused_pool_is_a_warning),
        cmocka_unit_test(test_too_many_servers),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
