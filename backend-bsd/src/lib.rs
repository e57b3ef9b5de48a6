//! Vireo's platform boundary on bsd.
