from django.urls import path

from .views import codes, messages, pages, people

urlpatterns = [
    path("", pages.home, name="home"),
    path("dashboard/notifications/", messages.notifications, name="notifications"),
    path("dashboard/<str:role>/", pages.dashboard, name="dashboard"),
    path("messages/send/", messages.send, name="send_message"),
    path("messages/get/", messages.get, name="get_messages"),
    path("messages/unread/", messages.unread, name="unread_count"),
    path("messages/delete/<int:message_id>/", messages.delete, name="delete_message"),
    path("messages/download/<int:attachment_id>/", messages.download, name="download_attachment"),
    path("delete_user/", people.delete_user, name="delete_user"),
    path("toggle_user_active/", people.toggle_user_active, name="toggle_user_active"),
    path("change_user_password/", people.change_user_password, name="change_user_password"),
    path("codes/<str:kind>/", codes.page, name="codes"),
    path("codes/<str:kind>/list/", codes.listing, name="list_codes"),
    path("codes/<str:kind>/add/", codes.add, name="add_code"),
]
