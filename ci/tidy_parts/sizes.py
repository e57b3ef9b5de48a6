"""Sizes: 600 lines for a file without its tests, 1,000 with them, 70 lines of code for a function.

Clippy counts functions too; here those it does not see are counted as well: other systems' code, fuzz targets, macros."""

from source import functions

FILE_LINES_MAX = 600
WHOLE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70


def check(sources, kept):
    for source in sources:
        whole = source.text.count("\n")
        if not source.is_test and source.lines > FILE_LINES_MAX and not kept.allows("file", source.path, source.lines):
            yield f"{source.path}: {source.lines} lines without tests, {FILE_LINES_MAX} are allowed: what second thing has moved in?"
        elif whole > WHOLE_LINES_MAX and ("file", source.path) not in kept.used and not kept.allows("whole", source.path, whole):
            yield f"{source.path}: {whole} lines, {WHOLE_LINES_MAX} are allowed with all tests"
        longest = {}
        for name, line, count in functions(source.code):
            if count > longest.get(name, (FUNCTION_LINES_MAX,))[0]:
                longest[name] = (count, line)
        for name, (count, line) in longest.items():
            if not kept.allows("function", f"{source.path} {name}", count):
                yield f"{source.path}:{line}: function {name} has {count} lines of code, {FUNCTION_LINES_MAX} are allowed"
