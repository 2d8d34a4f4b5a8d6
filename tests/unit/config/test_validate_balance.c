/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate_balance.c - sizes of a Maglev table, and keys that nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/validate_balance.h"

#define POOL "[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\nserver = 127.0.0.1:9\n"

static void test_size_is_a_prime(void **state)
{
    (void)state;
    expect(POOL "balance = maglev\nmaglev_size = 65536\n",
           "culvert.ini:7:15: error: '65536' must be a prime; the next one is 65537");
    expect(POOL "balance = maglev\nmaglev_size = 4100\n", "the next one is 4111");
    expect("[defaults]\nmaglev_size = 10000\n" MINIMAL, "the next one is 10007");
    config_destroy(load_good(POOL "balance = maglev\nmaglev_size = 5003\n"));
    config_destroy(load_good("[defaults]\nbalance = maglev\nmaglev_size = 5003\n" MINIMAL));
}

static void test_size_is_bounded(void **state)
{
    (void)state;
    expect(POOL "balance = maglev\nmaglev_size = 1009\n", "'1009' must be a number from 4099");
    expect(POOL "balance = maglev\nmaglev_size = 1048583\n", "to 1048573");
    config_destroy(load_good(POOL "balance = maglev\nmaglev_size = 4099\n"));
    config_destroy(load_good(POOL "balance = maglev\nmaglev_size = 1048573\n"));
}

static void test_keys_without_maglev_are_reported(void **state)
{
    (void)state;
    expect(POOL "hash_key = sni\n", "culvert.ini:6:12: warning: 'hash_key' counts only with "
                                    "'balance = maglev', which [pool app] has not");
    expect(POOL "balance = first\nmaglev_size = 5003\n",
           "warning: 'maglev_size' counts only with 'balance = maglev'");
    config_destroy(load_good(POOL "balance = maglev\nhash_key = sni\n"));
    config_destroy(load_good("[defaults]\nbalance = maglev\n" POOL "hash_key = destination\n"));
    /* In [defaults] it is for whichever pool can use it. */
    config_destroy(load_good("[defaults]\nhash_key = source_port\n" POOL));
}

static void test_words_of_keys(void **state)
{
    (void)state;
    expect(POOL "balance = maglev\nhash_key = sources\n", "did you mean 'source'?");
    config_destroy(load_good(POOL "slow_start = 30s\nfail_open = yes\n"));
    config_destroy(load_good(POOL "slow_start = off\nfail_open = no\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_is_a_prime),
        cmocka_unit_test(test_size_is_bounded),
        cmocka_unit_test(test_keys_without_maglev_are_reported),
        cmocka_unit_test(test_words_of_keys),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
