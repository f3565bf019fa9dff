//! Media container bytes in, init segments and frames out: pure, push style.
