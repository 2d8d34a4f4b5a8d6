/* SPDX-License-Identifier: Apache-2.0 */
/* test_explain_route.c - what is said of a client: the route, why, and the order of servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "daemon/explain_route.h"

#define CONFIGURATION                                                                              \
    "[listen https]\nbind = 127.0.0.1:8443\npool = rest\n"                                         \
    "[listen plain]\nbind = :0\npool = app\n"                                                      \
    "[listen named]\nbind = 127.0.0.1:8445\nserver = db.test:5432\n"                               \
    "[listen guarded]\nbind = 127.0.0.1:8446\npool = rest\nallow = 10.0.0.0/8\n"                   \
    "deny = 10.6.6.0/24\n"                                                                         \
    "[listen two]\nbind = 127.0.0.1:8447 127.0.0.1:8448\npool = dialled\n"                         \
    "[listen one]\nbind = 127.0.0.1:8449\npool = dialled\n"                                        \
    "[pool dialled]\nbalance = maglev\nhash_key = destination\nserver = 10.0.0.4:80\n"             \
    "[listen shut]\nbind = 127.0.0.1:8444\n"                                                       \
    "[route api]\nlisten = https\nsni = api.example.com\nalpn = h2\npool = app\n"                  \
    "[route wild]\nlisten = https\nsni = *.example.com\npool = app\n"                              \
    "[route none]\nlisten = https\nsni = -\naction = reject\n"                                     \
    "[route home]\nlisten = https shut\nsource = 10.0.0.0/8\npool = app\n"                         \
    "[pool app]\nbalance = maglev\nserver = a 10.0.0.1:80\nserver = b 10.0.0.2:80 weight=2\n"      \
    "server = c 10.0.0.3:80 disabled\nserver = z 10.0.0.9:80 backup\n"                             \
    "[pool rest]\nserver = 10.0.0.4:80\nserver = 10.0.0.5:80 weight=3\n"

static char *answer;

/* What is printed for the client, complaints included. */
static bool ask(const char *listener, const char *from, const char *sni, const char *alpn)
{
    struct explain_client client = {.listener = listener, .from = from, .sni = sni, .alpn = alpn};
    struct config *config = load_good(CONFIGURATION);
    struct snapshot *snapshot = config_snapshot(config);
    size_t size;
    FILE *out;
    bool is_answered;

    free(answer);
    answer = NULL;
    out = open_memstream(&answer, &size);
    assert_non_null(snapshot);
    assert_non_null(out);
    is_answered = explain_route(&client, snapshot, out, out);
    fclose(out);
    snapshot_unref(snapshot);
    config_destroy(config);
    return is_answered;
}

static void has(const char *part)
{
    if (strstr(answer, part) == NULL)
        fail_msg("wanted: %s\ngot: %s", part, answer);
}

static void test_the_route_is_named_with_its_reason(void **state)
{
    (void)state;
    assert_true(ask("https", "192.0.2.1", "API.example.com.", "h2"));
    has("listener  https\nclient    192.0.2.1\nasks for  api.example.com\n"
        "route     api: the exact name\n");
    assert_true(ask("https", "192.0.2.1", "api.example.com", NULL));
    has("route     wild: a wildcard for the name\n");
    assert_true(ask("https", "192.0.2.1", NULL, NULL));
    has("asks for  no name\nroute     none: no name is asked for\nrefused   denied\n");
    assert_true(ask("https", "10.1.2.3", "other.test", NULL));
    has("route     home: it takes any name");
    assert_true(ask("https", "192.0.2.1", "other.test", NULL));
    has("route     the listener's own pool: no route matches\npool      rest, leastconn: the one "
        "with the fewest sessions for its weight\n");
    has("    -  10.0.0.5:80          10.0.0.5:80 weight=3\n");
    assert_true(ask("shut", "192.0.2.1", NULL, NULL));
    has("route     none: no route matches, and the listener has no pool\nrefused   no_route\n");
}

static void test_servers_come_in_the_order_of_the_key(void **state)
{
    char *first;

    (void)state;
    assert_true(ask("plain", "192.0.2.1:5000", "x.test", NULL));
    has("client    192.0.2.1:5000\nasks for  what this listener does not look at");
    has("pool      app, maglev by source: the first of these that is usable\n    1  ");
    has("c                    10.0.0.3:80 weight=1 (maint: passed over)\n");
    has("    4  z                    10.0.0.9:80 weight=1 backup\n");
    first = strdup(strstr(answer, "pool "));
    assert_true(ask("plain", "192.0.2.1", NULL, NULL));
    assert_string_equal(strstr(answer, "pool "), first);
    free(first);
    assert_true(ask("plain", NULL, NULL, NULL));
    has("client    any without an address (--from)\n");
    has("give --from ADDRESS to see the order\n    -  a ");
}

static void test_rules_of_the_listener_come_first(void **state)
{
    (void)state;
    assert_true(ask("guarded", "192.0.2.1", NULL, NULL));
    has("client    192.0.2.1\nrefused   denied: ");
    assert_null(strstr(answer, "pool "));
    assert_true(ask("guarded", "10.6.6.1", NULL, NULL));
    has("refused   denied: ");
    assert_true(ask("guarded", "10.1.2.3", NULL, NULL));
    has("pool      rest");
    assert_null(strstr(answer, "refused"));
    assert_true(ask("guarded", NULL, NULL, NULL));
    assert_null(strstr(answer, "refused"));
}

static void test_which_of_two_addresses_was_dialled_is_not_known(void **state)
{
    (void)state;
    assert_true(ask("two", "192.0.2.1", NULL, NULL));
    has("maglev by destination: it depends on the address that is dialled\n");
    assert_true(ask("one", "192.0.2.1", NULL, NULL));
    has("maglev by destination: the first of these that is usable\n    1  ");
}

static void test_servers_by_name_are_not_known(void **state)
{
    (void)state;
    assert_true(ask("named", "192.0.2.1", NULL, NULL));
    has("pool      named, leastconn");
    has("  names are looked up at run time");
    assert_true(ask("plain", "192.0.2.1", NULL, NULL));
    assert_null(strstr(answer, "looked up"));
}

static void test_questions_without_sense_are_refused(void **state)
{
    (void)state;
    assert_false(ask("htps", NULL, NULL, NULL));
    has("culvert: there is no listener 'htps'; there is: https, plain, named, guarded, two, one, "
        "shut\n");
    assert_false(ask(NULL, NULL, NULL, NULL));
    has("culvert: which listener? add --listen; there is: https, plain, named, guarded, two, one, "
        "shut\n");
    assert_false(ask("plain", "example.com", NULL, NULL));
    has("--from wants an IP address, perhaps with a port, not 'example.com'\n");
    assert_false(ask("plain", "", NULL, NULL));
    assert_false(ask("plain", "10.0.0.1:99999", NULL, NULL));
    assert_true(ask("plain", "[2001:db8::1]:99", NULL, NULL));
    has("client    [2001:db8::1]:99\n");
    assert_true(ask("plain", "2001:db8::1", NULL, NULL));
    has("client    [2001:db8::1]\n");
}

static int tear_down(void **state)
{
    free(answer);
    return fixture_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_route_is_named_with_its_reason),
        cmocka_unit_test(test_servers_come_in_the_order_of_the_key),
        cmocka_unit_test(test_rules_of_the_listener_come_first),
        cmocka_unit_test(test_which_of_two_addresses_was_dialled_is_not_known),
        cmocka_unit_test(test_servers_by_name_are_not_known),
        cmocka_unit_test(test_questions_without_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, tear_down);
}
