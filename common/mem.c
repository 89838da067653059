/* mem.c: allocation that can't fail in the eyes of its callers.
 *
 * A daemon that can't get a few bytes can't log, answer or save with confidence either. It ends at once, without
 * running exit handlers; what is on disk is valid at any moment, and systemd starts it again. */
#include "common/mem.h"
#include "common/log.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE_BYTES (128 * 1024)

/* Setting the threshold also keeps it from growing. */
void mem_give_back(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

_Noreturn void mem_exhausted(void)
{
	log_error("out of memory; ending, to be started again");
	_exit(EXIT_FAILURE);
}

static void *checked(void *ptr)
{
	if (!ptr)
		mem_exhausted();
	return ptr;
}

void *mem_alloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

void *mem_realloc(void *ptr, size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total))
		mem_exhausted();
	return checked(realloc(ptr, total ? total : 1));
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t length)
{
	length = strnlen(text, length);
	char *copy = mem_alloc(length + 1);
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *mem_sprintf(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		mem_exhausted();
	return text;
}
