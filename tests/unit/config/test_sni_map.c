/* SPDX-License-Identifier: Apache-2.0 */
/* test_sni_map.c - maps of names: what they hold, what is wrong with them, how fast they load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "config/fixture.h"
#include "config/sni_map.h"

#define LISTENER "[listen web]\nbind = 127.0.0.1:0\nsni_map = names.map\n"
#define POOLS "[pool api]\nserver = 127.0.0.1:1\n[pool mail]\nserver = 127.0.0.1:2\n"

static void test_lines_are_names_and_pools(void **state)
{
    struct source_files files = {0};
    struct diagnostics diagnostics = {0};
    struct origin origin = {0};

    (void)state;
    write_file("names.map", "# names\n\n  API.example.com.\tapi # the API\r\n*.Example.org mail");
    struct sni_map *map = sni_map_read("names.map", &origin, &files, &diagnostics);
    assert_non_null(map);
    assert_int_equal(map->count, 2);
    assert_string_equal(map->entries[0].name, "api.example.com");
    assert_string_equal(map->entries[0].pool, "api");
    assert_string_equal(map->entries[1].name, "*.example.org");
    origin = sni_map_entry_origin(map, &map->entries[0]);
    assert_int_equal(origin.line, 3);
    assert_int_equal(origin.column, 20);
    assert_int_equal(origin.length, 3);
    sni_map_destroy(map);
    write_file("names.map", "");
    map = sni_map_read("names.map", &origin, &files, &diagnostics);
    assert_non_null(map);
    assert_int_equal(map->count, 0);
    sni_map_destroy(map);
    sni_map_destroy(NULL);
    assert_int_equal(diagnostics.count, 0);
    source_files_release(&files);
}

static void test_every_wrong_line_is_reported(void **state)
{
    (void)state;
    static const char map[] = "a.example.com\n*.*.x api\nb.example.com api mail\n- api\n"
                              "good.example.com api\nGOOD.example.com mail\nc\0d api\n"
                              "192.0.2.1 api";

    write_bytes("names.map", map, sizeof(map) - 1);
    struct config *config = load_text(LISTENER POOLS);
    char *messages = messages_of(config);
    static const char *const wanted[] = {
        "names.map:1:1: error: 'a.example.com': a pool is missing behind the name\n",
        "names.map:2:1: error: '*.*.x': an asterisk",
        "names.map:3:19: error: 'mail': this is one word too many; a line is NAME POOL\n",
        "names.map:4:1: error: '-': clients without a name are for a [route NAME]\n",
        "names.map:6:1: error: 'good.example.com' is there twice (first in line 5)\n",
        "names.map:7:1: error: 'c': there is a NUL byte in this line\n",
        "names.map:8:1: error: '192.0.2.1': clients never ask",
        "7 errors, 0 warnings; nothing was loaded\n",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        if (strstr(messages, wanted[i]) == NULL)
            fail_msg("wanted: %s\ngot: %s", wanted[i], messages);
    }
    free(messages);
    config_destroy(config);
    expect("[listen web]\nbind = 127.0.0.1:0\nsni_map = none.map\n", "culvert.ini:3:11: error: ");
    expect("[listen web]\nbind = 127.0.0.1:0\nsni_map = .\n", "is a folder, not a file");
}

static void test_pools_must_exist(void **state)
{
    (void)state;
    write_file("names.map", "a.example.com api\nb.example.com  mial # no\n");
    write_file("culvert.ini", LISTENER POOLS);
    expect_in_file("culvert.ini", "names.map:2:16: error: there is no [pool mial]; did you mean "
                                  "'mail' (culvert.ini:6)?\n    2 | b.example.com  mial # no\n"
                                  "      |                ^~~~\n");
    /* A map alone makes a listener useful, and its pools used. */
    write_file("names.map", "a.example.com api\nb.example.com mail\n");
    config_destroy(load_good(LISTENER POOLS));
}

static void test_a_map_full_of_errors_ends_soon(void **state)
{
    FILE *file = fopen("names.map", "w");

    (void)state;
    assert_non_null(file);
    for (unsigned i = 0; i < 100000; i++)
        fprintf(file, "n%u.example.com nobody%u\n", i, i);
    assert_int_equal(fclose(file), 0);
    write_file("culvert.ini", LISTENER POOLS);
    expect_in_file("culvert.ini", "... and 99800 more\n");
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_a_hundred_thousand_names_load_within_a_second(void **state)
{
    FILE *file = fopen("names.map", "w");

    (void)state;
    assert_non_null(file);
    for (unsigned i = 0; i < 100000; i++)
        fprintf(file, "%stenant-%u.customers.example.com %s\n", i % 10 == 0 ? "*." : "", i,
                i % 2 == 0 ? "api" : "mail");
    assert_int_equal(fclose(file), 0);
    double before = seconds();
    struct config *config = load_good(LISTENER POOLS);
    struct snapshot *snapshot = config_snapshot(config);
    double taken = seconds() - before;
    struct addr addr = {.family = AF_INET};
    struct route_client client = {.addr = &addr, .has_hello = true};

    assert_non_null(snapshot);
    print_message("100,000 names: %.3f s of processor time\n", taken);
#ifdef __SANITIZE_ADDRESS__
    taken /= 5;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    taken /= 5;
#endif
#endif
    assert_true(taken < 1.0);
    assert_true(snapshot->listeners[0].peeks_hello);
    client.sni = "tenant-99999.customers.example.com";
    assert_string_equal(router_choose(snapshot->listeners[0].router, &client).pool->name, "mail");
    client.sni = "www.tenant-99990.customers.example.com";
    assert_string_equal(router_choose(snapshot->listeners[0].router, &client).pool->name, "api");
    client.sni = "nobody.example.com";
    assert_null(router_choose(snapshot->listeners[0].router, &client).pool);
    /* The pools alternate, and each has one tally. */
    assert_int_equal(snapshot->tally_count, 3);
    config_destroy(config);
    snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_names_and_pools),
        cmocka_unit_test(test_every_wrong_line_is_reported),
        cmocka_unit_test(test_pools_must_exist),
        cmocka_unit_test(test_a_map_full_of_errors_ends_soon),
        cmocka_unit_test(test_a_hundred_thousand_names_load_within_a_second),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
