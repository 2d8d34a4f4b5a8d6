/* SPDX-License-Identifier: Apache-2.0 */
/* test_address_list.c - look-ups of several threads while the set is swapped (for TSan and ASan).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "route/address_list.h"

static struct address_set *set_of(const char *text)
{
    struct prefix prefix;
    struct error error;
    struct address_set *set;

    assert_true(prefix_parse(text, strlen(text), &prefix, &error));
    set = address_set_create(&prefix, 1);
    assert_non_null(set);
    return set;
}

static struct addr ip(const char *string)
{
    struct addr addr = {.family = AF_UNSPEC};

    assert_true(addr_parse_ip(string, strlen(string), &addr));
    return addr;
}

static void test_the_new_set_counts_at_once(void **state)
{
    struct address_list list;
    struct addr a = ip("10.0.0.1");
    struct addr b = ip("11.0.0.1");

    (void)state;
    address_list_init(&list, set_of("10.0.0.0/8"));
    assert_true(address_list_contains(&list, &a));
    assert_false(address_list_contains(&list, &b));
    address_list_replace(&list, set_of("11.0.0.0/8"));
    assert_false(address_list_contains(&list, &a));
    assert_true(address_list_contains(&list, &b));
    address_list_release(&list);
}

struct reader {
    struct address_list *list;
    _Atomic bool *is_over;
    unsigned lookups;
    bool is_wrong;
};

/* 10.0.0.1 is in every set, 12.0.0.1 in none. */
static void *read_list(void *argument)
{
    struct reader *reader = argument;
    struct addr in = {.family = AF_INET};
    struct addr out = {.family = AF_INET};

    in.v4.s_addr = htonl(0x0a000001);
    out.v4.s_addr = htonl(0x0c000001);
    while (!atomic_load(reader->is_over)) {
        if (!address_list_contains(reader->list, &in) || address_list_contains(reader->list, &out))
            reader->is_wrong = true;
        reader->lookups++;
    }
    return NULL;
}

static void test_look_ups_see_the_old_set_or_the_new_one(void **state)
{
    struct address_list list;
    _Atomic bool is_over = false;
    struct reader readers[2] = {{&list, &is_over, 0, false}, {&list, &is_over, 0, false}};
    pthread_t threads[2];

    (void)state;
    address_list_init(&list, set_of("10.0.0.0/8"));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_list, &readers[i]), 0);
    for (int i = 0; i < 2000; i++)
        address_list_replace(&list, set_of(i % 2 == 0 ? "10.0.0.0/16" : "10.0.0.0/8"));
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(readers[i].is_wrong);
    }
    address_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_new_set_counts_at_once),
        cmocka_unit_test(test_look_ups_see_the_old_set_or_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
