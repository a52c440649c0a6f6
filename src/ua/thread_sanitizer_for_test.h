// GLib locks by futexes of its own, which the thread sanitizer does not see: what it hands from one of its
// threads to another, under such a lock, looks like a race. So what GLib itself does with memory is not
// looked at; what it calls back is.
//
// To be included once in a test program that uses the media thread.
#pragma once

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();  // the sanitizer's own name
extern "C" const char* __tsan_default_suppressions() { return "called_from_lib:libglib-2.0.so\n"; }
#endif
