/* SPDX-License-Identifier: Apache-2.0 */
/* test_name_map.c - names with their pools, and the end of a map that was replaced. The choice
   between a map and routes is in test_router.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "route/name_map.h"

static struct pool pools[2];

static struct name_map *make_map(void)
{
    struct name_map *map = name_map_create();
    bool is_taken;

    assert_non_null(map);
    assert_true(name_map_add(map, "API.example.com", &pools[0], &is_taken));
    assert_true(name_map_add(map, "*.example.com", &pools[1], &is_taken));
    return map;
}

static void test_exact_names_and_wildcards_are_apart(void **state)
{
    struct name_map *map = make_map();

    (void)state;
    assert_int_equal(name_map_count(map), 2);
    assert_ptr_equal(name_map_exact(map, "api.example.com"), &pools[0]);
    assert_ptr_equal(name_map_wildcard(map, "api.example.com"), &pools[1]);
    assert_null(name_map_exact(map, "www.example.com"));
    assert_ptr_equal(name_map_wildcard(map, "www.example.com"), &pools[1]);
    assert_null(name_map_wildcard(map, "a.b.example.com"));
    assert_null(name_map_exact(map, ""));
    name_map_destroy(map);
    name_map_destroy(NULL);
}

static void test_a_name_stands_once(void **state)
{
    struct name_map *map = make_map();
    bool is_taken = false;

    (void)state;
    assert_false(name_map_add(map, "api.example.com.", &pools[1], &is_taken));
    assert_true(is_taken);
    assert_ptr_equal(name_map_exact(map, "api.example.com"), &pools[0]);
    name_map_destroy(map);
}

static void test_a_replaced_map_lives_until_the_last_worker_has_left(void **state)
{
    struct name_map *list = NULL;
    struct name_map *first = make_map();
    struct name_map *second = make_map();

    (void)state;
    name_map_retire(first, 2, &list);
    name_map_retire(second, 1, &list);
    name_map_reclaim(&list);
    name_map_leave(first);
    name_map_reclaim(&list);
    assert_ptr_equal(name_map_exact(first, "api.example.com"), &pools[0]);
    name_map_leave(second);
    name_map_reclaim(&list); /* from the front, with one left behind it */
    assert_ptr_equal(list, first);
    name_map_leave(first);
    name_map_reclaim(&list);
    assert_null(list);
    name_map_retire(make_map(), 1, &list);
    name_map_destroy_list(&list);
    assert_null(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_names_and_wildcards_are_apart),
        cmocka_unit_test(test_a_name_stands_once),
        cmocka_unit_test(test_a_replaced_map_lives_until_the_last_worker_has_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
