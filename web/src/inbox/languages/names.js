/** The names of the languages in themselves, in the order in which they are offered. */
export const LANGUAGES = {
  en: 'English', de: 'Deutsch', es: 'Español', fr: 'Français', ar: 'العربية', zh: '简体中文', ja: '日本語',
};
