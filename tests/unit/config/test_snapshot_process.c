/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_process.c - the settings of the process arrive in the snapshot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/snapshot_process.h"

static struct snapshot *build(const char *text)
{
    struct config *config = load_good(text);
    struct snapshot *snapshot = config_snapshot(config);

    assert_non_null(snapshot);
    /* The snapshot stands alone. */
    config_destroy(config);
    return snapshot;
}

static void test_the_process(void **state)
{
    struct snapshot *snapshot = build(
        "[culvert]\nname = edge\nworkers = 3\ncpu_affinity = yes\nuser = root\ngroup = root\n"
        "pid_file = /x.pid\nopen_files = 5000\ndrain_timeout = 9s\ndrain_delay = 2s\n"
        "[limits]\nmax_connections = 77\non_limit = close\nbuffer_memory = 8m\nmax_pipes = 5\n"
        "[log]\nlevel = debug\nformat = json\noutput = /x.log\ncolor = never\n"
        "timestamps = yes\naccess = errors\naccess_output = stdout\naccess_format = auto\n"
        "access_start = yes\nclient_ip = masked\nsyslog_facility = local0\nsyslog_tag = t\n"
        "queue = 128\n"
        "[admin]\nsocket = /c.sock\nsocket_mode = 0620\nsocket_group = root\n"
        "bind = 127.0.0.1:81\nmax_sessions_listed = 5\n"
        "[metrics]\nbind = 127.0.0.1:81 127.0.0.1:82\n" MINIMAL);
    const struct process_config *process = &snapshot->process;

    (void)state;
    assert_string_equal(process->name, "edge");
    assert_int_equal(process->workers, 3);
    assert_true(process->cpu_affinity);
    assert_string_equal(process->user, "root");
    assert_string_equal(process->group, "root");
    assert_string_equal(process->pid_file, "/x.pid");
    assert_int_equal(process->open_files, 5000);
    assert_int_equal(process->drain_timeout_ms, 9000);
    assert_int_equal(process->drain_delay_ms, 2000);
    assert_int_equal(process->max_connections, 77);
    assert_int_equal(process->on_limit, ON_LIMIT_CLOSE);
    assert_int_equal(process->buffer_memory, 8 << 20);
    assert_int_equal(process->max_pipes, 5);
    assert_int_equal(process->pipe_size, 256 << 10);
    assert_int_equal(process->log_level, LOG_DEBUG);
    assert_int_equal(process->log_format, LOG_JSON);
    assert_string_equal(process->log_output, "/x.log");
    assert_int_equal(process->log_color, 0);
    assert_int_equal(process->log_timestamps, 1);
    assert_string_equal(process->access_output, "stdout");
    assert_int_equal(process->access_format, -1);
    assert_int_equal(process->client_ip, CLIENT_IP_MASKED);
    assert_string_equal(process->syslog_facility, "local0");
    assert_string_equal(process->syslog_tag, "t");
    assert_int_equal(process->log_queue, 128);
    assert_string_equal(process->admin_socket, "/c.sock");
    assert_int_equal(process->admin_socket_mode, 0620);
    assert_int_equal(process->admin_socket_group, 0);
    assert_int_equal(process->admin_bind_count, 1);
    assert_int_equal(process->metrics_bind_count, 1);
    assert_int_equal(process->metrics_binds[0].port, 82);
    assert_int_equal(process->max_sessions_listed, 5);
    assert_int_equal(snapshot->listeners[0].access, ACCESS_ERRORS);
    assert_true(snapshot->listeners[0].access_start);
    assert_string_equal(snapshot->source, "culvert.ini");
    snapshot_unref(snapshot);
}

static void test_the_process_by_default(void **state)
{
    struct snapshot *snapshot = build(MINIMAL);
    const struct process_config *process = &snapshot->process;

    (void)state;
    assert_true(process->name[0] != '\0');
    assert_true(process->workers >= 1);
    assert_null(process->user);
    assert_int_equal(process->open_files, 0);
    assert_int_equal(process->max_connections, 0);
    assert_int_equal(process->on_limit, ON_LIMIT_PAUSE);
    assert_true(process->buffer_memory >= 1 << 20);
    assert_int_equal(process->max_pipes, -1);
    assert_int_equal(process->log_level, LOG_INFO);
    assert_int_equal(process->log_format, -1);
    assert_int_equal(process->log_color, -1);
    assert_int_equal(process->log_timestamps, -1);
    assert_string_equal(process->log_output, "stderr");
    assert_null(process->access_output);
    assert_int_equal(process->access_format, -2);
    assert_int_equal(process->admin_socket_group, (gid_t)-1);
    assert_int_equal(process->admin_bind_count, 0);
    assert_int_equal(process->metrics_bind_count, 0);
    if (access("/run/culvert", W_OK) == 0)
        assert_string_equal(process->admin_socket, "/run/culvert/culvert.sock");
    else
        assert_null(process->admin_socket);
    snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_process),
        cmocka_unit_test(test_the_process_by_default),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
