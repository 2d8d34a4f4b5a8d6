/* SPDX-License-Identifier: Apache-2.0 */
/* test_probes.c - alive and ready, and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/fake_process.h"
#include "admin/probes.h"

static void assert_answer(struct fake_process *process,
                          void (*probe)(const struct question *, struct answer *), int status,
                          const char *body)
{
    int got;
    char *text = fake_ask(process, probe, "", "", &got);

    assert_string_equal(text, body);
    assert_int_equal(got, status);
    free(text);
}

static void test_ready_says_why_not(void **state)
{
    struct fake_process process;

    fake_process_init(&process);
    assert_answer(&process, probe_ready, 200, "{\"ready\":true}\n");
    process.view.is_draining = true;
    assert_answer(&process, probe_ready, 503, "{\"ready\":false,\"why\":\"draining\"}\n");
    process.view.is_draining = false;
    process.view.is_ready = false;
    assert_answer(&process, probe_ready, 503, "{\"ready\":false,\"why\":\"starting\"}\n");
    fake_process_end(&process);
}

static void test_loops_that_turned_lately_are_alive(void **state)
{
    struct fake_process process;

    fake_process_init(&process); /* no threads: they are not asked */
    assert_answer(&process, probe_health, 200, "{\"live\":true}\n");
    fake_process_end(&process);
}

static void test_a_loop_that_sleeps_is_asked_and_answers(void **state)
{
    struct fake_process process;

    fake_process_init(&process);
    process.workers[1].gauges.loop_beat_ms -= 60000;
    fake_process_start(&process);
    assert_answer(&process, probe_health, 200, "{\"live\":true}\n");
    fake_process_end(&process);
}

static void test_a_loop_that_hangs_is_named(void **state)
{
    struct fake_process process;

    fake_process_init(&process);
    process.workers[1].gauges.loop_beat_ms -= 60000;
    process.workers[1].is_mute = true;
    fake_process_start(&process);
    assert_answer(&process, probe_health, 503,
                  "{\"live\":false,\"why\":\"worker 1 does not answer\"}\n");
    fake_process_end(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_says_why_not),
        cmocka_unit_test(test_loops_that_turned_lately_are_alive),
        cmocka_unit_test(test_a_loop_that_sleeps_is_asked_and_answers),
        cmocka_unit_test(test_a_loop_that_hangs_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
