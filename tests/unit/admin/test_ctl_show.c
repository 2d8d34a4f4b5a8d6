/* SPDX-License-Identifier: Apache-2.0 */
/* test_ctl_show.c - answers as tables and lines, for people and for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/ctl_show.h"

typedef void (*show)(const json_t *json, bool for_people);

/* What is printed of this JSON; the caller frees it. */
static char *print(show call, const char *text, bool for_people)
{
    json_t *json = json_loads(text, 0, NULL);
    FILE *file = tmpfile();
    int kept = dup(STDOUT_FILENO);
    char *printed = calloc(1, 8192);

    assert_non_null(json);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    call(json, for_people);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    rewind(file);
    (void)!fread(printed, 1, 8191, file);
    fclose(file);
    json_decref(json);
    return printed;
}

static void test_people_are_told_who_waits(void **state)
{
    static const char pools[] =
        "{\"pools\":[{\"name\":\"pg\",\"paused\":true,\"waiting\":3,\"queue_size\":10,"
        "\"servers\":[{\"name\":\"pg-1\",\"state\":\"up\"}]},"
        "{\"name\":\"app\",\"paused\":false,\"waiting\":0,\"queue_size\":5,\"servers\":[]}]}";
    char *printed = print(ctl_show_pools, pools, true);

    (void)state;
    assert_non_null(strstr(printed, "pool pg is paused: 3 of 10 sessions wait\n"));
    assert_null(strstr(printed, "pool app"));
    free(printed);
    printed = print(ctl_show_pools, pools, false);
    assert_ptr_equal(strstr(printed, "POOL\tSERVER\t"), printed);
    assert_non_null(strstr(printed, "\npg\tpg-1\tup\t"));
    free(printed);
}

static void test_objects_are_lines(void **state)
{
    char *printed =
        print(ctl_show_object, "{\"pool\":\"pg\",\"paused\":true,\"waiting\":3}", false);

    (void)state;
    assert_string_equal(printed, "pool\tpg\npaused\tyes\nwaiting\t3\n");
    free(printed);
}

static void test_probes_are_words(void **state)
{
    char *printed = print(ctl_show_ready, "{}", true);

    (void)state;
    assert_string_equal(printed, "ready\n");
    free(printed);
    printed = print(ctl_show_live, "{}", true);
    assert_string_equal(printed, "live\n");
    free(printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_people_are_told_who_waits),
        cmocka_unit_test(test_objects_are_lines),
        cmocka_unit_test(test_probes_are_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
