/* SPDX-License-Identifier: Apache-2.0 */
/* test_ctl.c - commands against a served API: output, and the exit code of every outcome. */
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <cmocka.h>

#include "admin/ctl.h"
#include "admin/served_process.h"

/* Runs `culvert ctl WORDS`, split at blanks, with what it writes to `fd` in a file. The text is the
   caller's. */
static char *run_into(int fd, const char *words, int *code)
{
    char copy[256];
    char *argv[16] = {(char *)"ctl"};
    char *rest = copy;
    int argc = 1;
    FILE *file = tmpfile();
    int kept = dup(fd);
    char *text;
    long size;

    assert_non_null(file);
    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word; (word = strsep(&rest, " ")) != NULL && argc < 15;) {
        if (word[0] != '\0')
            argv[argc++] = word;
    }
    fflush(stdout);
    assert_int_equal(dup2(fileno(file), fd), fd);
    *code = ctl_run(argc, argv);
    fflush(stdout);
    dup2(kept, fd);
    close(kept);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    return text;
}

static char *run(const char *words, int *code)
{
    return run_into(STDOUT_FILENO, words, code);
}

static void assert_complaint(const char *words, int expected_code, const char *expected_text)
{
    int code;
    char *text = run_into(STDERR_FILENO, words, &code);

    assert_int_equal(code, expected_code);
    assert_string_equal(text, expected_text);
    free(text);
}

static void assert_run(const char *words, int expected_code, const char *expected_text)
{
    int code;
    char *text = run(words, &code);

    if (code != expected_code)
        fail_msg("culvert ctl %s: exit code %d, not %d", words, code, expected_code);
    if (expected_text != NULL)
        assert_string_equal(text, expected_text);
    free(text);
}

/* Takes out what differs from run to run: seconds since a start. */
static void cut_numbers_behind(char *text, const char *word)
{
    for (char *at = strstr(text, word); at != NULL; at = strstr(at, word)) {
        size_t digits;

        at += strlen(word);
        digits = strspn(at, "0123456789.");
        assert_true(digits > 0);
        memmove(at, at + digits, strlen(at + digits) + 1);
    }
}

static void served_ready(struct served_process *served)
{
    unsetenv("CULVERT_ADMIN");
    served_init(served);
    setenv("CULVERT_SOCKET", served->socket_path, 1);
    fake_session(&served->process, 0, 5, "web", "app", "a1");
}

static void test_ready_and_live_answer_with_the_exit_code(void **state)
{
    struct served_process served;

    served_ready(&served);
    served_start(&served);
    assert_run("ready", EX_OK, "ready\n");
    assert_run("ready --quiet", EX_OK, "");
    assert_run("live", EX_OK, "live\n");
    assert_run("ready --json", EX_OK, "{\"ready\":true}\n");
    served_end(&served);
}

static void test_not_ready_is_no(void **state)
{
    struct served_process served;

    served_ready(&served);
    served.process.view.is_draining = true;
    served_start(&served);
    assert_run("ready", 1, "");
    assert_run("ready --quiet", 1, "");
    assert_run("ready --json", 1, "{\"ready\":false,\"why\":\"draining\"}\n");
    served_end(&served);
}

static void test_lists_are_tsv_where_there_is_no_terminal(void **state)
{
    struct served_process served;
    char expected[256];
    char id[24];
    char *text;
    int code;

    served_ready(&served);
    served_start(&served);
    snprintf(expected, sizeof(expected),
             "ID\tAGE\tPHASE\tCLIENT\tLISTENER\tPOOL\tSERVER\tUPLOAD\tDOWNLOAD\tPATH\tSNI\n"
             "%s\t1.5\trelay\t192.0.2.1:5\tweb\tapp\ta1\t50\t0\tcopy\t\n",
             session_id_text(5, id));
    assert_run("sessions", EX_OK, expected);
    assert_run("sessions --listener db", EX_OK,
               "ID\tAGE\tPHASE\tCLIENT\tLISTENER\tPOOL\tSERVER\tUPLOAD\tDOWNLOAD\tPATH\tSNI\n");
    assert_run("listeners", EX_OK,
               "LISTENER\tSESSIONS\tACCEPTED\tREJECTED\tUPLOAD\tDOWNLOAD\tADDRESSES\n"
               "web\t0\t0\t0\t0\t0\t127.0.0.1:8080,127.0.0.1:8081\n"
               "db\t0\t0\t0\t0\t0\t127.0.0.1:5432\n");
    text = run("pools", &code);
    assert_int_equal(code, EX_OK);
    cut_numbers_behind(text, "\tup\t");
    assert_string_equal(
        text, "POOL\tSERVER\tSTATE\tFOR\tCAUSE\tWEIGHT\tSESSIONS\tCONNECTS\tFAILURES\tADDRESS\n"
              "app\ta1\tup\t\t\t1\t0\t\t0\t127.0.0.1:81\n"
              "app\ta2\tup\t\t\t1\t0\t\t0\t127.0.0.1:82\n"
              "pg\tp1\tup\t\t\t1\t0\t\t0\t127.0.0.1:83\n");
    free(text);
    served_end(&served);
}

static void test_one_session_is_shown_and_killed(void **state)
{
    struct served_process served;
    char words[64];
    char id[24];
    char *text;
    int code;

    served_ready(&served);
    served_start(&served);
    snprintf(words, sizeof(words), "session %s", session_id_text(5, id));
    text = run(words, &code);
    assert_int_equal(code, EX_OK);
    assert_non_null(strstr(text, "listener\tweb\n"));
    assert_non_null(strstr(text, "duration_s\t1.5\n"));
    assert_non_null(strstr(text, "upload_bytes\t50\n"));
    free(text);
    snprintf(words, sizeof(words), "kill %s", id);
    assert_run(words, EX_OK, "killed\t1\n");
    assert_run("kill zzz-9", 1, "");
    assert_run("session zzz-9", 1, "");
    served_end(&served);
    assert_int_equal(atomic_load(&served.process.workers[0].killed), 5);
}

static void test_status_and_version_and_metrics(void **state)
{
    struct served_process served;
    char *text;
    int code;

    served_ready(&served);
    counter_add(&served.process.workers[0].counters.tallies[1].closed[CLOSE_SERVER_RESET], 3);
    served_start(&served);
    text = run("status", &code);
    assert_int_equal(code, EX_OK);
    assert_memory_equal(text, "version\t9.8.7\nname\tedge-1\npid\t", 29);
    assert_non_null(strstr(text, "\nstate\tready\n"));
    assert_non_null(strstr(text, "\nlimit\t9456\nbound_by\topen_files\n"));
    assert_non_null(strstr(text, "\nclosed_server_reset\t3\n"));
    free(text);
    text = run("version", &code);
    assert_int_equal(code, EX_OK);
    assert_memory_equal(text, "version\t9.8.7\n", 14);
    free(text);
    text = run("metrics", &code);
    assert_int_equal(code, EX_OK);
    assert_non_null(strstr(text, "\nculvert_ready 1\n"));
    free(text);
    text = run("status --json", &code);
    assert_int_equal(code, EX_OK);
    assert_int_equal(text[0], '{');
    free(text);
    served_end(&served);
}

static void test_the_socket_may_be_named(void **state)
{
    struct served_process served;
    char words[160];

    served_ready(&served);
    served_start(&served);
    setenv("CULVERT_SOCKET", "/nonexistent/culvert.sock", 1);
    assert_run("ready", EX_UNAVAILABLE, "");
    snprintf(words, sizeof(words), "ready --socket %s", served.socket_path);
    assert_run(words, EX_OK, "ready\n");
    snprintf(words, sizeof(words), "--socket=%s ready", served.socket_path);
    assert_run(words, EX_OK, "ready\n");
    served_end(&served);
    assert_run(words, EX_UNAVAILABLE, "");
}

static void test_tcp_serves_reads_when_no_socket_is_named(void **state)
{
    struct served_process served;
    char address[ADDR_TEXT_BYTES];
    char words[64];
    char id[24];

    if (access("/run/culvert/culvert.sock", F_OK) == 0)
        skip(); /* a culvert of this machine would answer */
    served_ready(&served);
    served_start(&served);
    unsetenv("CULVERT_SOCKET");
    setenv("CULVERT_ADMIN", addr_text(&served.admin_addr, address), 1);
    assert_run("ready", EX_OK, "ready\n");
    snprintf(address, sizeof(address), ":%u", served.admin_addr.port);
    setenv("CULVERT_ADMIN", address, 1);
    assert_run("listeners", EX_OK, NULL);
    setenv("CULVERT_ADMIN", address + 1, 1);
    assert_run("ready", EX_OK, "ready\n");
    setenv("CULVERT_ADMIN", "off", 1);
    assert_run("ready", EX_UNAVAILABLE, "");
    setenv("CULVERT_ADMIN", "127.0.0.1:70000", 1);
    assert_run("ready", EX_UNAVAILABLE, "");
    /* A change goes through the socket only. */
    setenv("CULVERT_ADMIN", address, 1);
    snprintf(words, sizeof(words), "kill %s", session_id_text(5, id));
    assert_run(words, EX_UNAVAILABLE, "");
    served_end(&served);
    assert_int_equal(atomic_load(&served.process.workers[0].killed), 0);
}

static void test_who_may_not_connect_is_told_so(void **state)
{
    struct served_process served;
    char words[160];

    served_ready(&served);
    served_start(&served);
    if (geteuid() == 0) {
        /* Root is let in whatever the mode says: ask as somebody else. */
        assert_int_equal(chmod(served.folder, 0755), 0);
        assert_int_equal(seteuid(65534), 0);
    } else {
        assert_int_equal(chmod(served.socket_path, 0), 0);
    }
    snprintf(words, sizeof(words), "ready --socket %s", served.socket_path);
    assert_run(words, EX_NOPERM, NULL);
    if (geteuid() == 65534)
        assert_int_equal(seteuid(0), 0);
    served_end(&served);
}

static void test_wrong_usage_is_refused_before_anything_is_asked(void **state)
{
    setenv("CULVERT_SOCKET", "/nonexistent/culvert.sock", 1);
    assert_run("", EX_USAGE, "");
    assert_run("stauts", EX_USAGE, "");
    assert_run("status now", EX_USAGE, "");
    assert_run("kill", EX_USAGE, "");
    assert_run("kill a b", EX_USAGE, "");
    assert_run("kill ../overview", EX_USAGE, "");
    assert_run("kill a?b=c", EX_USAGE, "");
    assert_run("sessions --listener=", EX_USAGE, "");
    assert_run("listeners --limit 3", EX_USAGE, "");
    assert_run("status --nonsense", EX_USAGE, "");
    assert_run("status --socket", EX_USAGE, "");
}

/* As after a scan of culvert's own options, which leaves getopt(3) silent. */
static void test_wrong_usage_is_explained(void **state)
{
    opterr = 0;
    assert_complaint("sessions --pahse relay", EX_USAGE,
                     "culvert ctl: unknown option --pahse; did you mean --phase?\n");
    assert_complaint("status --nonsense", EX_USAGE,
                     "culvert ctl: unknown option --nonsense; culvert ctl --help lists them\n");
    assert_complaint("status -x", EX_USAGE,
                     "culvert ctl: unknown option -x; culvert ctl --help lists them\n");
    assert_complaint("status --socket", EX_USAGE, "culvert ctl: option --socket needs a value\n");
    assert_complaint("kill a?b", EX_USAGE, "culvert ctl: 'a?b' is not a session's id\n");
}

/* A server without a name is called as its address is written. */
static void test_a_name_may_have_any_bytes(void **state)
{
    struct served_process served;

    served_ready(&served);
    served_start(&served);
    assert_complaint("sessions --server [::1]:80&limit=1", 1,
                     "culvert ctl: server '[::1]:80&limit=1' is not defined\n");
    served_end(&served);
}

static void test_help_lists_the_commands(void **state)
{
    char *text;
    int code;

    text = run("--help", &code);
    assert_int_equal(code, EX_OK);
    assert_non_null(strstr(text, "\n  sessions "));
    assert_non_null(strstr(text, "--socket PATH"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_and_live_answer_with_the_exit_code),
        cmocka_unit_test(test_not_ready_is_no),
        cmocka_unit_test(test_lists_are_tsv_where_there_is_no_terminal),
        cmocka_unit_test(test_one_session_is_shown_and_killed),
        cmocka_unit_test(test_status_and_version_and_metrics),
        cmocka_unit_test(test_the_socket_may_be_named),
        cmocka_unit_test(test_tcp_serves_reads_when_no_socket_is_named),
        cmocka_unit_test(test_who_may_not_connect_is_told_so),
        cmocka_unit_test(test_wrong_usage_is_refused_before_anything_is_asked),
        cmocka_unit_test(test_wrong_usage_is_explained),
        cmocka_unit_test(test_a_name_may_have_any_bytes),
        cmocka_unit_test(test_help_lists_the_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
