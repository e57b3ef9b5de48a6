//! Vireo's platform boundary on linux.
