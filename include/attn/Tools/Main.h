// The command-line tools as functions, for executables and console scripts.
// Each registers command-line options of LLVM: call one of them, once.
#ifndef ATTN_TOOLS_MAIN_H
#define ATTN_TOOLS_MAIN_H

namespace attn {

int optMain(int argc, char **argv);
int runMain(int argc, char **argv);

} // namespace attn

#endif // ATTN_TOOLS_MAIN_H
