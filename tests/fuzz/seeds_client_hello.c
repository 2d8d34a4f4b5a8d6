/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seeds_client_hello.c - `seeds_client_hello FOLDER` writes the cases of the parser's unit tests,
 * one a file: whole, and the extensions alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tls/hello_cases.h"

/* Where extensions begin in what draft_open() and one record make. */
#define EXTENSIONS_AT (5 + 4 + 2 + 32 + 1 + 32 + 2 + 16 + 2 + 2)

static void write_seed(const char *folder, size_t number, const char *kind,
                       const unsigned char *data, size_t size)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s-%zu", folder, kind, number);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 2)
        return 2;
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++) {
        struct bytes bytes = {.data = NULL};

        hello_cases[i].make(&bytes);
        /* Longer inputs only make the fuzzer slow. */
        if (bytes.size < 4000)
            write_seed(arguments[1], i, "whole", bytes.data, bytes.size);
        /* The byte before them says how large records are to be. */
        if (bytes.size > EXTENSIONS_AT && bytes.size < 4000 && bytes.data[0] == 0x16)
            write_seed(arguments[1], i, "extensions", bytes.data + EXTENSIONS_AT - 1,
                       bytes.size - EXTENSIONS_AT + 1);
        bytes_release(&bytes);
    }
    return 0;
}
