/*
 * From a member to the struct that it is a member of.
 *
 *     static void on_tick(Timer *timer)
 *     {
 *         Worker *worker = OWNER_OF(timer, Worker, timer);
 *
 * Nothing depends on the member's position in the struct. The pointer may also be the void *arg
 * of a callback; any other type than the member's does not compile. A pointer to const leads to
 * a const owner only: OWNER_OF(pointer, const Worker, timer).
 */
#ifndef TICKSTREAM_OWNER_H
#define TICKSTREAM_OWNER_H

#include <stddef.h>

#define OWNER_OF(pointer, Type, member)                                                            \
    ((Type *)_Generic(1 ? OWNER_MEMBER(pointer, Type, member) : (void *)1,                         \
         void *: owner_of,                                                                         \
         const void *: owner_of_const)(OWNER_MEMBER(pointer, Type, member),                        \
                                       offsetof(Type, member)))

/* The pointer: const when it or the owner is, and an error when its type is not the member's. */
#define OWNER_MEMBER(pointer, Type, member) (1 ? (pointer) : &((Type *)0)->member)

static inline void *owner_of(void *member, size_t offset)
{
    return (char *)member - offset;
}

static inline const void *owner_of_const(const void *member, size_t offset)
{
    return (const char *)member - offset;
}

#endif
