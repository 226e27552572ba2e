// A core guest: puts every word of its input under the word itself.
#define SLUICE(name) __attribute__((import_module("sluice"), import_name(#name)))

SLUICE(put_to) unsigned put_to(int into, const char *key, unsigned key_len, const void *value, unsigned value_len,
                               unsigned content_type);

static char inbox[65536];

__attribute__((export_name("sluice_alloc"))) void *sluice_alloc(unsigned len) {
    return len <= sizeof inbox ? inbox : (void *)-1;
}

__attribute__((export_name("run"))) void run(const char *text, unsigned len) {
    unsigned start = 0;
    for (unsigned at = 0; at <= len; at++) {
        if (at == len || text[at] == ' ') {
            if (at > start) put_to(0, text + start, at - start, "1", 1, 1);
            start = at + 1;
        }
    }
}
