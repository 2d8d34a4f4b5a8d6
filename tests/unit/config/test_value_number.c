/* SPDX-License-Identifier: Apache-2.0 */
/* test_value_number.c - what each kind of number takes, refuses, and means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/value_number.h"
#include "config/value_world.h"

static void test_booleans(void **state)
{
    static const char *const wrong[] = {"Yes", "2", "1", "0", "y", "TRUE", "yes no", "\"\""};

    (void)state;
    expect_number(LISTEN_NODELAY, "yes", 1);
    expect_number(LISTEN_NODELAY, "on", 1);
    expect_number(LISTEN_NODELAY, "true", 1);
    expect_number(LISTEN_NODELAY, "no", 0);
    expect_number(LISTEN_NODELAY, "off", 0);
    expect_number(LISTEN_NODELAY, "false", 0);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        expect_refused(LISTEN_NODELAY, wrong[i], "is none of: yes no on off true false");
}

static void test_integers_have_ranges(void **state)
{
    static const char *const wrong[] = {
        "-1", "0x10", "80x", "1.5", "1e3", "+1", "257", "0", "١", "99999999999999999999999", "1 2"};

    (void)state;
    expect_number(CULVERT_WORKERS, "1", 1);
    expect_number(CULVERT_WORKERS, "256", 256);
    expect_number(CULVERT_WORKERS, "\"8\"", 8);
    expect_number(CULVERT_WORKERS, "008", 8);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        expect_refused(CULVERT_WORKERS, wrong[i], "must be a number from 1 to 256 or auto");
}

static void test_durations_need_units(void **state)
{
    static const char *const wrong[] = {
        "5x",         "-1s",  "9999999999h", "1.s",   ".5s",  "1s1m", "1s1s",
        "1.1234567s", "1 m",  "s",           "1mm",   "1e3s", "",     "99999999999999999999s",
        "3651d",      "1h 5", "inf",         "1s\\n", "0x5s", "5 s",  "3650d1us"};

    (void)state;
    expect_number(LISTEN_IDLE_TIMEOUT, "250us", 250);
    expect_number(LISTEN_IDLE_TIMEOUT, "250ms", 250000);
    expect_number(LISTEN_IDLE_TIMEOUT, "2.5s", 2500000);
    expect_number(LISTEN_IDLE_TIMEOUT, "0.000001s", 1);
    expect_number(LISTEN_IDLE_TIMEOUT, "1m30s", 90000000);
    expect_number(LISTEN_IDLE_TIMEOUT, "1d2h3m4s5ms6us", 93784005006);
    expect_number(LISTEN_IDLE_TIMEOUT, "1.5h", (int64_t)5400 * 1000000);
    expect_number(LISTEN_IDLE_TIMEOUT, "3650d", VALUE_DURATION_MAX);
    expect_number(LISTEN_IDLE_TIMEOUT, "0", 0);
    expect_number(LISTEN_IDLE_TIMEOUT, "off", 0);
    expect_number(LISTEN_IDLE_TIMEOUT, "0s", 0);
    expect_refused(LISTEN_IDLE_TIMEOUT, "5", "'5' needs a unit: 5s, 5m, 5h or 5ms");
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        expect_refused(LISTEN_IDLE_TIMEOUT, wrong[i],
                       wrong[i][0] == '\0' ? "needs a value" : "is no duration");
    expect_refused(LISTEN_KEEPALIVE, "100ms", "is too short; the least is 1000ms or off");
    expect_refused(LISTEN_KEEPALIVE, "10h", "is too long; the most is 32767s");
    expect_number(LISTEN_KEEPALIVE, "off", 0);
}

static void test_sizes_are_of_1024(void **state)
{
    (void)state;
    expect_number(LISTEN_BUFFER_SIZE, "4096", 4096);
    expect_number(LISTEN_BUFFER_SIZE, "64k", 65536);
    expect_number(LISTEN_BUFFER_SIZE, "64K", 65536);
    expect_number(LISTEN_BUFFER_SIZE, "64KiB", 65536);
    expect_number(LISTEN_SEND_BUFFER, "1m", 1 << 20);
    expect_number(LISTEN_SEND_BUFFER, "1g", 1 << 30);
    expect_number(LISTEN_SEND_BUFFER, "auto", 0);
    expect_refused(LISTEN_BUFFER_SIZE, "65k", "must be from 4k to 64k");
    expect_refused(LISTEN_BUFFER_SIZE, "0", "must be from 4k to 64k");
    expect_refused(LISTEN_BUFFER_SIZE, "64kb", "k is 1024 bytes");
    expect_refused(LISTEN_BUFFER_SIZE, "64MB", "k is 1024 bytes");
    expect_refused(LISTEN_BUFFER_SIZE, "-1", "is no size");
    expect_refused(LISTEN_BUFFER_SIZE, "1.5k", "is no size");
    expect_refused(LISTEN_BUFFER_SIZE, "k", "is no size");
    expect_refused(LISTEN_BUFFER_SIZE, "99999999999999999999g", "is no size");
    expect_refused(LISTEN_BUFFER_SIZE, "50%", "is no size");
    expect_refused(LIMITS_BUFFER_MEMORY, "101%", "from 1% to 100%");
    expect_refused(LIMITS_BUFFER_MEMORY, "1k", "must be at least 1m");
    expect_refused(LIMITS_BUFFER_MEMORY, "9007199254740993g", "is no size");
    expect_number(LIMITS_BUFFER_MEMORY, "25%", 25);
    expect_number(LIMITS_BUFFER_MEMORY, "2g", (int64_t)2 << 30);
}

static void test_percents_and_modes(void **state)
{
    (void)state;
    expect_number(LISTEN_LIFETIME_JITTER, "0%", 0);
    expect_number(LISTEN_LIFETIME_JITTER, "100%", 100);
    expect_refused(LISTEN_LIFETIME_JITTER, "10", "from 0% to 100%");
    expect_refused(LISTEN_LIFETIME_JITTER, "101%", "from 0% to 100%");
    expect_refused(LISTEN_LIFETIME_JITTER, "-1%", "from 0% to 100%");
    expect_number(LISTEN_SOCKET_MODE, "0660", 0660);
    expect_number(LISTEN_SOCKET_MODE, "600", 0600);
    expect_refused(LISTEN_SOCKET_MODE, "0888", "is no file mode");
    expect_refused(LISTEN_SOCKET_MODE, "4755", "is no file mode");
    expect_refused(LISTEN_SOCKET_MODE, "rw", "is no file mode");
}

static void test_digits_stop_at_the_limit(void **state)
{
    int64_t number;

    (void)state;
    assert_string_equal(value_read_digits("12ab", 12, &number), "ab");
    assert_int_equal(number, 12);
    assert_null(value_read_digits("13", 12, &number));
    assert_null(value_read_digits("", 12, &number));
    assert_null(value_read_digits("-1", 12, &number));
}

static void test_other_types_are_no_numbers(void **state)
{
    struct item item = {0};
    struct error error = {0};

    (void)state;
    assert_false(value_number_parse(&option_table[LISTEN_BIND], "1", &item, &error));
    assert_string_equal(error.text, "'bind' is no number");
}

static void test_rates_count_things_or_bytes(void **state)
{
    (void)state;
    expect_number(LISTEN_CONNECTION_RATE, "100/s", 100);
    expect_number(LISTEN_CONNECTION_RATE, "2k/s", 2000);
    expect_number(LISTEN_UPLOAD_RATE, "2k/s", 2048);
    expect_number(LISTEN_UPLOAD_RATE, "1MiB/s", 1 << 20);
    expect_number(LISTEN_UPLOAD_RATE, "8g/s", INT64_C(1) << 33);
    expect_number(LISTEN_UPLOAD_RATE, "off", 0);
    expect_number(LISTEN_UPLOAD_RATE, "0", 0);
    expect_refused(LISTEN_UPLOAD_RATE, "9g/s", "must be from 1/s to 8g/s");
    expect_refused(LISTEN_UPLOAD_RATE, "0/s", "must be from 1/s");
    expect_refused(LISTEN_UPLOAD_RATE, "1m", "is no rate such as 4096/s");
    expect_refused(LISTEN_CONNECTION_RATE, "100", "is no rate such as 100/s");
    expect_refused(LISTEN_CONNECTION_RATE, "100/m", "is no rate");
    expect_refused(LISTEN_CONNECTION_RATE, "1g/s", "is no rate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_integers_have_ranges),
        cmocka_unit_test(test_durations_need_units),
        cmocka_unit_test(test_sizes_are_of_1024),
        cmocka_unit_test(test_percents_and_modes),
        cmocka_unit_test(test_digits_stop_at_the_limit),
        cmocka_unit_test(test_rates_count_things_or_bytes),
        cmocka_unit_test(test_other_types_are_no_numbers),
    };

    return cmocka_run_group_tests(tests, value_set_up, value_tear_down);
}
