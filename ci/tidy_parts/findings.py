"""What the checks have found, and the kept list of what may stay as it is."""
import os

KEPT = "ci/tidy.kept"
HEAD = """\
# What ci/tidy lets pass: a number is a size that may shrink and not grow. `ci/tidy --lower` lowers the numbers and removes what is gone;
# a new line is written by hand, with its reason above it.
"""


class Kept:
    """The lines of the kept list: `kind number name...` where there is a number, `kind name...` where there is none."""

    def __init__(self, root):
        self.path = os.path.join(root, KEPT)
        self.entries, self.used, self.reasons, reason = {}, {}, {}, []
        self.unclear = []
        with open(self.path, encoding="utf-8") as file:
            text = file.read().removeprefix(HEAD)
        for line in text.splitlines():
            if line.startswith("#"):
                reason.append(line)
            elif not line.strip():
                reason = []
            else:
                kind, *rest = line.split()
                number = int(rest.pop(0)) if rest[0].isdigit() else None
                key = (kind, " ".join(rest))
                if not reason or key in self.entries:
                    self.unclear.append(line)
                self.entries[key], self.reasons[key] = number, "\n".join(reason)

    def allows(self, kind, name, number=None):
        """Whether the list lets this pass; what is asked for counts as used."""
        key = (kind, name)
        if key not in self.entries:
            return False
        self.used[key] = number
        return number is None or number <= (self.entries[key] or 0)

    def stale(self):
        """Complaints about lines that are not needed, or that could be lower."""
        for line in self.unclear:
            yield f"{KEPT}: `{line}` has no reason above it, or is there twice"
        for (kind, name), number in self.entries.items():
            if (kind, name) not in self.used:
                yield f"{KEPT}: `{kind} {name}` is needed no more: remove it (ci/tidy --lower)"
            elif number is not None and self.used[kind, name] < number:
                yield f"{KEPT}: `{kind} {number} {name}` is {self.used[kind, name]} now: lower it (ci/tidy --lower)"

    def lower(self):
        """Writes the list again, without what is not needed and with the numbers that are needed now."""
        out, last = [HEAD], None
        for (kind, name), number in self.entries.items():
            if (kind, name) not in self.used:
                continue
            reason = self.reasons[kind, name]
            if reason != last:
                out.append(f"\n{reason}\n" if reason else "\n")
            last = reason
            now = "" if number is None else f" {min(number, self.used[kind, name])}"
            out.append(f"{kind}{now} {name}\n")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("".join(out))
