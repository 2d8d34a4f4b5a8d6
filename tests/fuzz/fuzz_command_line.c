/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_command_line.c - argument vectors: each line of the input is one word.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "daemon/command_line.h"

#define WORDS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char program[] = "culvert";
    char *argv[WORDS + 2] = {program};
    struct command_line line;
    struct error error;
    int argc = 1;
    char *rest;
    char *words = malloc(size + 1);

    if (words == NULL)
        return 0;
    memcpy(words, data, size);
    words[size] = '\0';
    for (char *word = strtok_r(words, "\n", &rest); word != NULL && argc <= WORDS;
         word = strtok_r(NULL, "\n", &rest))
        argv[argc++] = word;
    if (command_line_parse(&line, argc, argv, &error) && line.command == COMMAND_CTL)
        assert(line.ctl_argc > 0);
    command_line_release(&line);
    free(words);
    return 0;
}
