// A WASI command: standard input in upper case, and a note on standard error.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    int c, count = 0;
    while ((c = getchar()) != EOF) {
        putchar(toupper(c));
        count++;
    }
    fprintf(stderr, "%s read %d bytes of %s\n", argv[0], count, getenv("SLUICE_KEY"));
    return count == 0 ? 4 : 0;
}
