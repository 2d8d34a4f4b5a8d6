/* SPDX-License-Identifier: Apache-2.0 */
/* test_metrics.c - every series is there from the start and carries the right number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/fake_process.h"
#include "admin/fake_profiles.h"
#include "admin/metrics.h"

static char *scrape(struct fake_process *process)
{
    int status;
    char *text = fake_ask(process, metrics_handle, "", "", &status);

    assert_int_equal(status, 200);
    return text;
}

/* The text has this very line. */
static void assert_line(const char *text, const char *line)
{
    size_t length = strlen(line);

    for (const char *found = text; (found = strstr(found, line)) != NULL; found++) {
        if ((found == text || found[-1] == '\n') && found[length] == '\n')
            return;
    }
    fail_msg("no line '%s' in:\n%s", line, text);
}

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        count++;
    return count;
}

static void test_tls_is_counted_for_those_who_speak_it(void **state)
{
    struct fake_process process;
    struct relay_counters *counters;
    char *text;

    fake_process_init(&process);
    fake_profiles_add(&process);
    counters = &process.workers[1].counters;
    counter_add(&counters->tls_bytes, 11);
    counter_add(&counters->listeners[0].handshakes.done[SESSION_TLS_1_2], 12);
    counter_add(&counters->listeners[0].handshakes.done[SESSION_TLS_1_3], 13);
    counter_add(&counters->listeners[0].handshakes.failed, 14);
    counter_add(&counters->pools[1].handshakes.timed_out, 15);
    counter_add(&counters->pools[1].handshakes.resumed, 16);
    latency_observe(&counters->listeners[0].handshakes.took, 2000);
    counter_add(&process.server_counters[2][1].connects[CONNECT_TLS], 17);
    text = scrape(&process);
    assert_line(text, "culvert_relayed_bytes_total{path=\"tls\"} 11");
    assert_line(text, "culvert_tls_handshakes_total{side=\"client\",owner=\"web\",result=\"ok\","
                      "version=\"TLSv1.2\"} 12");
    assert_line(text, "culvert_tls_handshakes_total{side=\"client\",owner=\"web\",result=\"ok\","
                      "version=\"TLSv1.3\"} 13");
    assert_line(text, "culvert_tls_handshakes_total{side=\"client\",owner=\"web\","
                      "result=\"failed\",version=\"\"} 14");
    assert_line(text, "culvert_tls_handshakes_total{side=\"server\",owner=\"pg\","
                      "result=\"timeout\",version=\"\"} 15");
    assert_line(text, "culvert_tls_resumptions_total{side=\"server\",owner=\"pg\"} 16");
    assert_line(text, "culvert_tls_handshake_duration_seconds_bucket{side=\"client\","
                      "owner=\"web\",le=\"0.0025\"} 1");
    assert_line(text, "culvert_connects_total{pool=\"pg\",server=\"p1\",result=\"tls\"} 17");
    /* Who speaks no TLS has no series of it. */
    assert_int_equal(occurrences(text, "owner=\"db\""), 0);
    assert_int_equal(occurrences(text, "owner=\"app\""), 0);
    /* Of certificates with one name the first to expire, once; both roles of a section together. */
    assert_line(text, "culvert_tls_certificate_expiry_timestamp_seconds{tls=\"public\","
                      "subject=\"www.example.com\"} 1900000000");
    assert_line(text, "culvert_tls_certificate_expiry_timestamp_seconds{tls=\"public\","
                      "subject=\"mail.example.com\"} 1800000000");
    assert_int_equal(occurrences(text, "seconds{tls=\"public\""), 2);
    assert_line(text, "culvert_tls_reloads_total{tls=\"public\",result=\"ok\"} 8");
    assert_line(text, "culvert_tls_reloads_total{tls=\"public\",result=\"failed\"} 1");
    assert_int_equal(occurrences(text, "reloads_total{tls="), 2);
    free(text);
    fake_process_end(&process);
}

static void test_series_are_zero_before_anything_happened(void **state)
{
    struct fake_process process;
    char *text;

    fake_process_init(&process);
    text = scrape(&process);
    assert_line(text, "culvert_connections_accepted_total{listener=\"db\"} 0");
    assert_line(text, "culvert_connections_rejected_total{listener=\"web\",reason=\"limit\"} 0");
    assert_line(text, "culvert_sessions{listener=\"web\",phase=\"half_closed\"} 0");
    assert_line(text,
                "culvert_sessions_closed_total{listener=\"web\",pool=\"\",reason=\"no_route\"} "
                "0");
    assert_line(text, "culvert_bytes_total{listener=\"db\",pool=\"pg\",direction=\"upload\"} 0");
    assert_line(text, "culvert_relayed_bytes_total{path=\"splice\"} 0");
    assert_line(text,
                "culvert_connects_total{pool=\"app\",server=\"a2\",result=\"ports_exhausted\"} 0");
    assert_line(text, "culvert_connect_duration_seconds_bucket{pool=\"pg\",le=\"+Inf\"} 0");
    assert_line(text, "culvert_first_byte_seconds_count{pool=\"pg\"} 0");
    assert_line(text, "culvert_connect_retries_total{pool=\"app\"} 0");
    assert_line(text, "culvert_session_duration_seconds_bucket{listener=\"web\",le=\"0.01\"} 0");
    assert_line(text, "culvert_pipes_denied_total 0");
    assert_line(text, "culvert_accept_errors_total{errno=\"EMFILE\"} 0");
    assert_line(text, "culvert_accept_errors_total{errno=\"other\"} 0");
    free(text);
    fake_process_end(&process);
}

static void test_series_carry_their_numbers(void **state)
{
    struct fake_process process;
    struct relay_counters *counters;
    char *text;

    fake_process_init(&process);
    counters = &process.workers[1].counters;
    counter_add(&counters->listeners[1].accepted, 2);
    counter_add(&counters->listeners[0].rejected[REJECTED_LIMIT], 3);
    counter_add(&counters->listeners[0].sessions[PHASE_CONNECT], 4);
    duration_observe(&counters->listeners[0].duration, 2000000);
    counter_add(&counters->tallies[2].closed[CLOSE_IDLE_TIMEOUT], 5);
    counter_add(&counters->tallies[1].upload_bytes, 6);
    counter_add(&counters->tallies[1].download_bytes, 7);
    counter_add(&counters->spliced_bytes, 8);
    counter_add(&counters->copied_bytes, 9);
    counter_add(&process.server_counters[2][1].connects[CONNECT_TIMED_OUT], 10);
    latency_observe(&counters->pools[0].connect, 200);
    latency_observe(&counters->pools[1].first_byte, 6000000);
    counter_add(&counters->pools[1].retries, 11);
    counter_add(&counters->wakeups, 12);
    counter_add(&counters->buffer_waits, 13);
    process.workers[0].gauges.pipes_lent = 14;
    process.workers[0].gauges.pipes_idle = 15;
    process.workers[0].gauges.pipes_denied = 16;
    process.workers[0].gauges.buffer_bytes = 18;
    process.workers[0].gauges.accept_errors[0] = 19;
    atomic_store(&process.servers[0].active, 20);
    process.servers[1].weight = 21;
    fake_session(&process, 1, 1, "web", "app", "a1");
    text = scrape(&process);
    assert_line(text, "culvert_connections_accepted_total{listener=\"db\"} 2");
    assert_line(text, "culvert_connections_rejected_total{listener=\"web\",reason=\"limit\"} 3");
    assert_line(text, "culvert_sessions{listener=\"web\",phase=\"connect\"} 4");
    assert_line(text, "culvert_session_duration_seconds_bucket{listener=\"web\",le=\"1.0\"} 0");
    assert_line(text, "culvert_session_duration_seconds_bucket{listener=\"web\",le=\"10.0\"} 1");
    assert_line(text, "culvert_session_duration_seconds_sum{listener=\"web\"} 2");
    assert_line(
        text,
        "culvert_sessions_closed_total{listener=\"db\",pool=\"pg\",reason=\"idle_timeout\"} 5");
    assert_line(text, "culvert_bytes_total{listener=\"web\",pool=\"app\",direction=\"upload\"} 6");
    assert_line(text,
                "culvert_bytes_total{listener=\"web\",pool=\"app\",direction=\"download\"} 7");
    assert_line(text, "culvert_relayed_bytes_total{path=\"splice\"} 8");
    assert_line(text, "culvert_relayed_bytes_total{path=\"copy\"} 9");
    assert_line(text, "culvert_connects_total{pool=\"pg\",server=\"p1\",result=\"timeout\"} 10");
    assert_line(text, "culvert_connect_duration_seconds_bucket{pool=\"app\",le=\"0.00025\"} 1");
    assert_line(text, "culvert_first_byte_seconds_bucket{pool=\"pg\",le=\"5.0\"} 0");
    assert_line(text, "culvert_first_byte_seconds_bucket{pool=\"pg\",le=\"+Inf\"} 1");
    assert_line(text, "culvert_connect_retries_total{pool=\"pg\"} 11");
    assert_line(text, "culvert_session_wakeups_total 12");
    assert_line(text, "culvert_buffer_waits_total 13");
    assert_line(text, "culvert_pipes{state=\"used\"} 14");
    assert_line(text, "culvert_pipes{state=\"idle\"} 15");
    assert_line(text, "culvert_pipes_denied_total 16");
    assert_line(text, "culvert_log_records_dropped_total 17");
    assert_line(text, "culvert_buffer_bytes 18");
    assert_line(text, "culvert_buffer_limit_bytes 1048576");
    assert_line(text, "culvert_accept_errors_total{errno=\"EMFILE\"} 19");
    assert_line(text, "culvert_server_sessions{pool=\"app\",server=\"a1\"} 20");
    assert_line(text, "culvert_server_weight{pool=\"app\",server=\"a2\"} 21");
    assert_line(text, "culvert_worker_sessions{worker=\"0\"} 0");
    assert_line(text, "culvert_worker_sessions{worker=\"1\"} 1");
    assert_line(text, "culvert_limit_sessions{bound_by=\"open_files\"} 9456");
    assert_line(text, "culvert_ready 1");
    assert_line(text, "culvert_draining 0");
    assert_line(text, "process_start_time_seconds 1700000000");
    assert_non_null(strstr(text, "culvert_build_info{version=\"9.8.7\",libevent=\""));
    free(text);
    fake_process_end(&process);
}

static void test_a_server_is_in_exactly_one_state(void **state)
{
    static const struct {
        enum server_admin admin;
        enum server_check check;
        enum server_health health;
        const char *word;
    } states[] = {{SERVER_ADMIN_UP, SERVER_CHECK_UP, SERVER_UP, "up"},
                  {SERVER_ADMIN_UP, SERVER_CHECK_UP, SERVER_EJECTED, "ejected"},
                  {SERVER_ADMIN_UP, SERVER_CHECK_UP, SERVER_TRIAL, "trial"},
                  {SERVER_ADMIN_UP, SERVER_CHECK_DOWN, SERVER_EJECTED, "down"},
                  {SERVER_ADMIN_DRAIN, SERVER_CHECK_DOWN, SERVER_UP, "drain"},
                  {SERVER_ADMIN_MAINT, SERVER_CHECK_UP, SERVER_UP, "maint"}};

    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        struct fake_process process;
        char line[128];
        unsigned ones = 0;
        char *text;

        fake_process_init(&process);
        atomic_store(&process.servers[2].admin, states[i].admin);
        atomic_store(&process.servers[2].check, states[i].check);
        atomic_store(&process.servers[2].health, states[i].health);
        text = scrape(&process);
        snprintf(line, sizeof(line),
                 "culvert_server_state{pool=\"pg\",server=\"p1\",state=\"%s\"} 1", states[i].word);
        assert_line(text, line);
        for (const char *at = text; (at = strstr(at, "culvert_server_state{pool=\"pg\"")) != NULL;
             at++)
            ones += strchr(at, '\n')[-1] == '1';
        assert_int_equal(ones, 1);
        assert_line(text, i == 0 ? "culvert_server_up{pool=\"pg\",server=\"p1\"} 1"
                                 : "culvert_server_up{pool=\"pg\",server=\"p1\"} 0");
        free(text);
        fake_process_end(&process);
    }
}

static void test_a_server_without_an_address_is_down(void **state)
{
    struct fake_process process;
    char *text;

    fake_process_init(&process);
    process.servers[2].addr.family = AF_UNSPEC;
    text = scrape(&process);
    assert_line(text, "culvert_server_state{pool=\"pg\",server=\"p1\",state=\"down\"} 1");
    assert_line(text, "culvert_server_up{pool=\"pg\",server=\"p1\"} 0");
    free(text);
    fake_process_end(&process);
}

/* Each family once, with its help before its type before its series; no series twice. */
static void test_families_are_complete_and_unique(void **state)
{
    struct fake_process process;
    char *text, *rest, *line;
    char seen[1024][160];
    size_t count = 0;
    char family[96] = "";

    fake_process_init(&process);
    text = scrape(&process);
    rest = text;
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        if (strncmp(line, "# HELP ", 7) == 0) {
            snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "), line + 7);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_memory_equal(line + 7, family, strlen(family));
        } else {
            assert_memory_equal(line, family, strlen(family));
            *strrchr(line, ' ') = '\0';
        }
        for (size_t i = 0; i < count; i++)
            assert_string_not_equal(seen[i], line);
        assert_true(count < ARRAY_LENGTH(seen));
        snprintf(seen[count++], sizeof(seen[0]), "%s", line);
    }
    assert_true(count > 200);
    free(text);
    fake_process_end(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_are_zero_before_anything_happened),
        cmocka_unit_test(test_series_carry_their_numbers),
        cmocka_unit_test(test_tls_is_counted_for_those_who_speak_it),
        cmocka_unit_test(test_a_server_is_in_exactly_one_state),
        cmocka_unit_test(test_a_server_without_an_address_is_down),
        cmocka_unit_test(test_families_are_complete_and_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
