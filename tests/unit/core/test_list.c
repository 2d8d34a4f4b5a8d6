/* SPDX-License-Identifier: Apache-2.0 */
/* test_list.c - order and membership. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base.h"
#include "core/list.h"

#define ITEMS 5

struct item {
    int number;
    struct list_link link;
};

static struct item items[ITEMS];

static int reset(void **state)
{
    (void)state;
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){.number = i};
    return 0;
}

/* Takes all off and compares their numbers. */
static void assert_order(struct list *list, const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct list_link *link = list_take_first(list);

        assert_non_null(link);
        assert_int_equal(CONTAINER_OF(link, struct item, link)->number, numbers[i]);
        assert_false(list_contains_link(link));
    }
    assert_null(list_take_first(list));
    assert_true(list_is_empty(list));
}

static void fill(struct list *list, int from, int to)
{
    list_init(list);
    for (int i = from; i < to; i++)
        list_append(list, &items[i].link);
}

static void test_first_in_is_first_out(void **state)
{
    struct list list;

    (void)state;
    fill(&list, 0, ITEMS);
    assert_false(list_is_empty(&list));
    assert_true(list_contains_link(&items[3].link));
    assert_order(&list, (const int[]){0, 1, 2, 3, 4}, 5);
}

static void test_any_element_can_leave_and_come_back(void **state)
{
    struct list list;

    (void)state;
    fill(&list, 0, ITEMS);
    list_remove(&items[0].link);
    list_remove(&items[2].link);
    list_remove(&items[4].link);
    list_remove(&items[4].link); /* in no list: nothing happens */
    list_append(&list, &items[0].link);
    assert_order(&list, (const int[]){1, 3, 0}, 3);
}

static void test_move_all_keeps_the_order(void **state)
{
    struct list to;
    struct list from;

    (void)state;
    fill(&to, 0, 2);
    fill(&from, 2, ITEMS);
    list_move_all(&to, &from);
    assert_true(list_is_empty(&from));
    list_remove(&items[3].link);
    list_append(&from, &items[3].link);
    assert_order(&to, (const int[]){0, 1, 2, 4}, 4);
    assert_order(&from, (const int[]){3}, 1);
}

static void test_move_all_with_empty_lists(void **state)
{
    struct list to;
    struct list from;

    (void)state;
    list_init(&from);
    fill(&to, 0, 2);
    list_move_all(&to, &from);
    list_move_all(&from, &to);
    assert_order(&from, (const int[]){0, 1}, 2);
    assert_true(list_is_empty(&to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_first_in_is_first_out, reset),
        cmocka_unit_test_setup(test_any_element_can_leave_and_come_back, reset),
        cmocka_unit_test_setup(test_move_all_keeps_the_order, reset),
        cmocka_unit_test_setup(test_move_all_with_empty_lists, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
