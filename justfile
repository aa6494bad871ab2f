# What one types most. Everything that must hold is in infra/test.

default:
    @just --list

# Everything that continuous integration checks
test *flags:
    infra/test {{flags}}

# The quick half of it, while writing
check:
    cargo fmt
    cargo clippy --all-targets -- -D warnings
    cargo test --test tidy --quiet

# One module's integration tests, as in `just it store::`
it filter="":
    cargo test --test it {{filter}}

# The whole system on this machine
dev:
    cargo run -- dev

# One job from a real video, end to end
demo:
    cargo run -- demo

# What strangers' bytes reach, fuzzed for 20 s each, as in `just fuzz 600 mp4`
fuzz *args:
    infra/fuzz {{args}}

# Vercel's own builder on what would be uploaded, and its functions driven
vercel:
    infra/vercel-build
    infra/vercel-check
