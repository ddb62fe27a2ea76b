/** Set by the build: which browser it is for. */
declare const __BROWSER__: "chromium" | "firefox";
