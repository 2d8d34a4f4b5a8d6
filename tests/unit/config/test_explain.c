/* SPDX-License-Identifier: Apache-2.0 */
/* test_explain.c - documentation out of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "config/config.h"
#include "config/option_table.h"

/* What is said of the word, on the one stream or the other. */
static char *explained(const char *word, bool *is_known)
{
    char *texts[2] = {NULL, NULL};
    size_t sizes[2];
    FILE *out = open_memstream(&texts[0], &sizes[0]);
    FILE *complaints = open_memstream(&texts[1], &sizes[1]);
    unsigned used;

    assert_non_null(out);
    assert_non_null(complaints);
    *is_known = config_explain(word, out, complaints);
    fclose(out);
    fclose(complaints);
    used = *is_known ? 0 : 1;
    assert_int_equal(sizes[1 - used], 0);
    free(texts[1 - used]);
    if (texts[used] == NULL)
        abort();
    return texts[used];
}

static void expect(const char *word, bool is_known, const char *part)
{
    bool answer;
    char *text = explained(word, &answer);

    if (strstr(text, part) == NULL)
        fail_msg("%s: %s", word == NULL ? "explain" : word, text);
    assert_int_equal(answer, is_known);
    free(text);
}

static void test_sections_keys_and_one_key(void **state)
{
    (void)state;
    expect(NULL, true, "[listen NAME]    an entry point");
    expect("", true, "[defaults] ");
    expect("listen", true, "\n  idle_timeout         1h         duration\n");
    expect("[listen web]", true, "\n  idle_timeout ");
    expect("listen.idle_timeout", true, "[listen NAME] idle_timeout\n");
    expect("listen.idle_timeout", true, "  default   1h\n");
    expect("idle_timeout", true, "  also in   [defaults]\n");
    expect("defaults.balance", true, "[pool NAME] balance\n");
    expect("keepalive", true, "[pool NAME] keepalive\n");
    expect("listen.idle_policy", true, "  later     alive (not in this version)\n");
    expect("listen.tls", true, "  type      name of a [tls], path or off\n");
    expect("tls", true, "\n  min_version          1.2        one of 1.2 1.3\n");
    expect("tls.verify", true, "  default   towards clients none, towards servers required\n");
    expect("tls.allow_spki", true, "not available in this version");
    expect("mirror", true, "[mirror] is not available in this version");
}

static void test_unknown_words_get_a_suggestion(void **state)
{
    (void)state;
    expect("idle_timout", false, "did you mean 'idle_timeout' of [listen NAME]?");
    expect("proxy_timeout", false, "nginx's proxy_timeout is 'idle_timeout'");
    expect("lissten", false, "did you mean [listen]?");
    expect("listn.idle_timeout", false, "did you mean [listen]?");
    expect("idle_timout", false, "culvert: unknown key 'idle_timout'; did you mean");
    expect("xyzzyplughxyzzy", false,
           "culvert: unknown key 'xyzzyplughxyzzy'; 'culvert explain' lists the sections\n");
    expect("xyzzyplughxyzzy.bind", false, "culvert: unknown section [xyzzyplughxyzzy]");
}

static void test_every_option_is_explained_in_lines_that_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &option_table[i];
        char word[128];
        bool is_known;

        snprintf(word, sizeof(word), "%s.%s", section_table[option->section].word, option->key);
        char *text = explained(word, &is_known);
        assert_true(is_known);
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            if (strlen(line) > 80)
                fail_msg("%s", line);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections_keys_and_one_key),
        cmocka_unit_test(test_unknown_words_get_a_suggestion),
        cmocka_unit_test(test_every_option_is_explained_in_lines_that_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
