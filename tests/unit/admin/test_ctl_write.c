/* SPDX-License-Identifier: Apache-2.0 */
/* test_ctl_write.c - words as requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "admin/ctl_write.h"

struct expected {
    const char *command;
    char *words[4];
    const char *path; /* NULL: refused */
    const char *body;
};

static void test_words_become_requests(void **state)
{
    static const struct expected cases[] = {
        {"server", {"pg/pg-1", "up"}, "/api/v1/pools/pg/servers/pg-1", "{\"state\":\"up\"}"},
        {"server", {"pg/pg-1", "drain"}, "/api/v1/pools/pg/servers/pg-1", "{\"state\":\"drain\"}"},
        {"server", {"pg/pg-1", "maint"}, "/api/v1/pools/pg/servers/pg-1", "{\"state\":\"maint\"}"},
        {"server", {"pg/a", "weight", "12"}, "/api/v1/pools/pg/servers/a", "{\"weight\":12}"},
        {"server",
         {"pg/db@[::1]:5432", "up"},
         "/api/v1/pools/pg/servers/db%40%5B%3A%3A1%5D%3A5432",
         "{\"state\":\"up\"}"},
        {"pool", {"pg", "pause"}, "/api/v1/pools/pg/pause", ""},
        {"pool", {"p g?", "resume"}, "/api/v1/pools/p%20g%3F/resume", ""},
        {"server", {NULL}, NULL, NULL},
        {"server", {"pg", "up"}, NULL, NULL},
        {"server", {"/pg-1", "up"}, NULL, NULL},
        {"server", {"pg/", "up"}, NULL, NULL},
        {"server", {"pg/pg-1"}, NULL, NULL},
        {"server", {"pg/pg-1", "ready"}, NULL, NULL},
        {"server", {"pg/pg-1", "up", "now"}, NULL, NULL},
        {"server", {"pg/pg-1", "weight"}, NULL, NULL},
        {"server", {"pg/pg-1", "weight", "x"}, NULL, NULL},
        {"server", {"pg/pg-1", "weight", "-1"}, NULL, NULL},
        {"server", {"pg/pg-1", "weight", "123456789012"}, NULL, NULL},
        {"pool", {"pg"}, NULL, NULL},
        {"pool", {"", "pause"}, NULL, NULL},
        {"pool", {"pg", "stop"}, NULL, NULL},
        {"pool", {"pg", "pause", "now"}, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct ctl_write write;
        struct error error = {.text = ""};
        int count = 0;

        while (count < 4 && cases[i].words[count] != NULL)
            count++;
        if (cases[i].path == NULL) {
            assert_false(
                ctl_write_request(&write, cases[i].command, count, cases[i].words, &error));
            assert_non_null(strstr(error.text, "takes"));
            continue;
        }
        assert_true(ctl_write_request(&write, cases[i].command, count, cases[i].words, &error));
        assert_string_equal(write.path, cases[i].path);
        assert_string_equal(write.body, cases[i].body);
    }
}

static void test_a_name_that_is_too_long_is_refused(void **state)
{
    struct ctl_write write;
    struct error error = {.text = ""};
    char name[2100];
    char *server_words[] = {name, "up"};
    char *pool_words[] = {name, "pause"};

    (void)state;
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_false(ctl_write_request(&write, "pool", 2, pool_words, &error));
    assert_non_null(strstr(error.text, "longer"));
    name[3] = '/';
    assert_false(ctl_write_request(&write, "server", 2, server_words, &error));
    assert_non_null(strstr(error.text, "longer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_become_requests),
        cmocka_unit_test(test_a_name_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
