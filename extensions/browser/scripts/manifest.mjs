// The manifests. What is not here is not asked for: no host at install, no tabs, no history, no activeTab.
const KEY =
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA+KRjpttR6JeUEHpnnzk2t+iIil7tEnEAsS2to9Usp6bPXi/GiBgsIdyg3JFpjwKiESowfqNfeSM6GeKtuqTbeXMAjNKzY21GGWnlIPMGxFAdBtynQHi80ptvY4j2zKdXR0h9+bLipAWaL4nc1tsMSxUgYsUWj+dk1zT6sAB3DnySp8+d2JcRxXWc4+IzZzjPxwBCpDXphCp6Ql5PI2PqDbIc7Z6aTSs2Yfk4CSpeUFvMNNAA/ks7rNd70e80NqdF9t3HGDuJpX1X4Lz0MJNk8HOtEyH7WfZlUABFgOUAdlM8NvI9HVqz/niVHgb/LkYomaPVQv95mnsMhwmp8OF6wQIDAQAB";
const GECKO_ID = "browser@overt";
const ICONS = { 16: "icons/16.png", 32: "icons/32.png", 48: "icons/48.png", 128: "icons/128.png" };

/** Gives the manifest for a browser; `version` is the package's. */
export function manifestFor(browser, version) {
  const common = {
    manifest_version: 3,
    name: "__MSG_name__",
    description: "__MSG_description__",
    default_locale: "en",
    version,
    icons: ICONS,
    action: { default_popup: "popup.html", default_icon: ICONS, default_title: "__MSG_badgeOff__" },
    options_ui: { page: "options.html", open_in_tab: true },
    // alarms: to notice that a study has ended; scripting: to register the content script for what was granted.
    permissions: ["alarms", "nativeMessaging", "scripting", "storage"],
    optional_host_permissions: ["http://*/*", "https://*/*"],
    incognito: "not_allowed",
    content_security_policy: {
      // Without the explicit address Firefox would turn ws into wss; without the rest a bug could speak elsewhere.
      extension_pages:
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src ws://127.0.0.1:*; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  };
  if (browser === "firefox") {
    return {
      ...common,
      background: { scripts: ["worker.js"], type: "module" },
      browser_specific_settings: {
        gecko: {
          id: GECKO_ID,
          strict_min_version: "140.0",
          data_collection_permissions: {
            required: ["none"],
            optional: ["websiteActivity", "websiteContent"],
          },
        },
      },
    };
  }
  return {
    ...common,
    key: KEY,
    minimum_chrome_version: "120",
    background: { service_worker: "worker.js", type: "module" },
  };
}
