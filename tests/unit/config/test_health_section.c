/* SPDX-License-Identifier: Apache-2.0 */
/* test_health_section.c - what a pool's key health stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/config_parts.h"
#include "config/health_section.h"

#define WEB "[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\nserver = 127.0.0.1:9\n"

/* The choice of [pool app]; its section is compared before the configuration goes. */
static struct health_choice choice_of(const char *text, const char *section)
{
    struct config *config = load_good(text);
    const struct section *pool = settings_find(&config->settings, SECTION_POOL, "app");
    struct health_choice choice = health_choice_of(&config->settings, pool);

    if (section == NULL)
        assert_null(choice.section);
    else
        assert_string_equal(choice.section->name, section);
    choice.section = NULL;
    config_destroy(config);
    return choice;
}

static void test_off_and_the_built_in_words(void **state)
{
    (void)state;
    assert_false(choice_of(WEB, NULL).is_on);
    assert_false(choice_of(WEB "health = off\n", NULL).is_on);
    assert_true(choice_of(WEB "health = tcp\n", NULL).is_on);
    assert_int_equal(choice_of(WEB "health = tcp\n", NULL).type, EXCHANGE_TCP);
    assert_int_equal(choice_of(WEB "health = tls\n", NULL).type, EXCHANGE_TLS);
}

static void test_a_section_has_its_type(void **state)
{
    (void)state;
    assert_int_equal(choice_of(WEB "health = r\n[health r]\ntype = redis\n", "r").type,
                     EXCHANGE_REDIS);
    assert_int_equal(choice_of("[defaults]\nhealth = tls\n" WEB, NULL).type, EXCHANGE_TLS);
    assert_false(choice_of("[defaults]\nhealth = tls\n" WEB "health = off\n", NULL).is_on);
}

static bool accepts_any(const char *text)
{
    struct config *config = load_good(text);
    const struct section *pool = settings_find(&config->settings, SECTION_POOL, "app");
    struct health_choice choice = health_choice_of(&config->settings, pool);
    bool is_any = health_choice_accepts_any(&choice);

    config_destroy(config);
    return is_any;
}

static void test_any_certificate_will_do_where_no_profile_says_more(void **state)
{
    (void)state;
    assert_true(accepts_any(WEB "health = tls\n"));
    assert_true(accepts_any(WEB "health = p\n[health p]\ntype = postgres\n"));
    assert_false(accepts_any(WEB "health = tcp\n"));
    assert_false(accepts_any(WEB "health = tls\ntls = t\n[tls t]\n"));
    assert_false(accepts_any(WEB "health = p\n[health p]\ntype = tls\ntls = t\n[tls t]\n"));
    assert_true(
        accepts_any(WEB "tls = t\nhealth = p\n[health p]\ntype = tls\ntls = off\n[tls t]\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_and_the_built_in_words),
        cmocka_unit_test(test_a_section_has_its_type),
        cmocka_unit_test(test_any_certificate_will_do_where_no_profile_says_more),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
