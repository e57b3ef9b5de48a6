//! Vireo's platform boundary on macos.
