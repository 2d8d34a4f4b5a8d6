/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_keylog.c - whose file it is, and lines of several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "tls/tls_fixture.h"
#include "tls/tls_keylog.h"

#define THREADS 4
#define LINES 500

static void test_the_file_is_its_owners_alone(void **state)
{
    const char *path = fixture_path(fixture_here, "keys");
    struct error error = {0};
    struct stat status;
    int fd = tls_keylog_open(path, &error);

    (void)state;
    assert_int_not_equal(fd, -1);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    close(fd);
    chmod(path, 0640);
    assert_int_equal(tls_keylog_open(path, &error), -1);
    assert_non_null(strstr(error.text, "open to others"));
}

static void test_links_and_other_things_are_refused(void **state)
{
    const char *link_path = fixture_path(fixture_here, "link");
    const char *fifo = fixture_path(fixture_here, "fifo");
    struct error error = {0};

    (void)state;
    assert_int_equal(symlink("elsewhere", link_path), 0);
    assert_int_equal(tls_keylog_open(link_path, &error), -1);
    assert_non_null(strstr(error.text, "symbolic link"));
    assert_int_not_equal(access(fixture_path(fixture_here, "elsewhere"), F_OK), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(tls_keylog_open(fifo, &error), -1);
    assert_int_equal(tls_keylog_open(fixture_path(fixture_here, "no/file"), &error), -1);
    assert_non_null(strstr(error.text, "No such file"));
}

static void *write_lines(void *argument)
{
    for (int i = 0; i < LINES; i++)
        tls_keylog_write(*(const int *)argument, "CLIENT_RANDOM 0123456789abcdef fedcba9876543210");
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    const char *path = fixture_path(fixture_here, "many");
    struct error error = {0};
    int fd = tls_keylog_open(path, &error);
    pthread_t threads[THREADS];
    char line[256];
    int count = 0;
    FILE *file;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &fd), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close(fd);
    file = fopen(path, "re");
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_string_equal(line, "CLIENT_RANDOM 0123456789abcdef fedcba9876543210\n");
        count++;
    }
    fclose(file);
    assert_int_equal(count, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_file_is_its_owners_alone),
        cmocka_unit_test(test_links_and_other_things_are_refused),
        cmocka_unit_test(test_lines_of_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, fixture_enter_folder, fixture_leave_folder);
}
