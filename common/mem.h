/* mem.h: allocation that succeeds or ends the process with a message. */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <stddef.h>

/* Every length given here was bounded before, so running out of memory is no input's fault: exit, be restarted,
 * recover from disk. All return memory that the caller frees with free(). */
void *mem_alloc(size_t size);                                   /* not cleared */
void *mem_zalloc(size_t size);                                  /* cleared */
void *mem_realloc(void *ptr, size_t count, size_t size);        /* count * size, overflow checked */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t length);
char *mem_sprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For a process that needs much memory now and then: what is freed in large pieces goes back to the system at once. The
 * allocator's own habit is to keep the more, the larger the pieces were. */
void mem_give_back(void);

/* What the others do when there is none left: says so and ends the process. For other allocators' failures. */
_Noreturn void mem_exhausted(void);

#endif
