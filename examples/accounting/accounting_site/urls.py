from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.views import serve as serve_static
from django.urls import include, path, re_path
from django.views.static import serve

from Accounting_System_app.sign_in_links import sign_in_as

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    # A real site lets its proxy serve these two.
    re_path(r"^static/(?P<path>.*)$", serve_static, {"insecure": True}),
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    path("", include("Accounting_System_app.urls")),
    # Without a slash, as in the application that this example stands for: `{% url %}` answers
    # /AccountingSystemmessages/send/ and so on, and the pages call that.
    path("AccountingSystem", include("Accounting_System_app.urls")),
]
if settings.SIGN_IN_LINKS:
    urlpatterns.insert(0, path("sign-in-as/<str:username>/", sign_in_as))
