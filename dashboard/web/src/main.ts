import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { applyTheme } from './lib/theme.svelte';
import { applyLanguage } from './lib/i18n.svelte';

applyTheme();
applyLanguage();

const target = document.getElementById('app');
if (target) {
  mount(App, { target });
}
